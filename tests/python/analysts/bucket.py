"""The tickets of all months in a bucket, by a reader that has a way there of its own.

Usage: bucket.py READER ENDPOINT PATH        for example bucket.py polars http://127.0.0.1:5000 reports/monthly

READER is polars, pyarrow, pandas or duckdb. Prints the number of tickets, the sum of their prices, and the months.
"""

import sys
import tempfile

KEY, SECRET, REGION = "test", "test", "us-east-1"


def by_polars(endpoint, path):
    import polars

    options = {
        "aws_endpoint_url": endpoint,
        "aws_access_key_id": KEY,
        "aws_secret_access_key": SECRET,
        "aws_region": REGION,
        "aws_allow_http": "true",
    }
    lazy = polars.scan_parquet(f"s3://{path}", storage_options=options, hive_partitioning=True)
    found = lazy.select("month", "ticket_price").collect()
    return found.height, found["ticket_price"].sum(), set(found["month"])


def filesystem(endpoint):
    import pyarrow.fs

    address = endpoint.removeprefix("http://")
    return pyarrow.fs.S3FileSystem(
        access_key=KEY, secret_key=SECRET, region=REGION, endpoint_override=address, scheme="http"
    )


def by_pyarrow(endpoint, path):
    import pyarrow.compute
    import pyarrow.dataset

    found = pyarrow.dataset.dataset(path, filesystem=filesystem(endpoint), partitioning="hive").to_table()
    return found.num_rows, pyarrow.compute.sum(found["ticket_price"]), set(found["month"].to_pylist())


def by_pandas(endpoint, path):
    import pandas

    found = pandas.read_parquet(path, filesystem=filesystem(endpoint))
    return len(found), found["ticket_price"].sum(), set(found["month"])


def by_duckdb(endpoint, path):
    import duckdb
    from duckdb_extensions import import_extension

    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"extension_directory": folder}) as connection:
        import_extension("httpfs", con=connection)
        connection.execute("LOAD httpfs")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', REGION '{REGION}', URL_STYLE 'path', "
            f"USE_SSL false, ENDPOINT '{endpoint.removeprefix('http://')}')"
        )
        found = "SELECT count(*), sum(ticket_price), list(DISTINCT month) FROM read_parquet(?)"
        return connection.execute(found, [f"s3://{path}*/*.parquet"]).fetchone()


READERS = {"polars": by_polars, "pyarrow": by_pyarrow, "pandas": by_pandas, "duckdb": by_duckdb}

if len(sys.argv) != 4 or sys.argv[1] not in READERS:
    sys.exit(__doc__)
rows, amount, months = READERS[sys.argv[1]](sys.argv[2], f"{sys.argv[3]}/snapshots/tickets/")
print(rows, amount, ",".join(sorted(months)))
