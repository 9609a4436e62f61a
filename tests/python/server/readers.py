"""The tickets of a URL, read straight from the server.

Usage: readers.py PROGRAM URL        PROGRAM is polars, pandas or duckdb

Prints the number of tickets and the sum of their prices.
"""

import sys
import tempfile


def by_polars(url):
    import polars

    return polars.scan_parquet(url).select(polars.len(), polars.sum("ticket_price")).collect().row(0)


def by_pandas(url):
    import pandas

    tickets = pandas.read_parquet(url)
    return len(tickets), tickets["ticket_price"].sum()


def by_duckdb(url):
    import duckdb
    from duckdb_extensions import import_extension

    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"extension_directory": folder}) as connection:
        import_extension("httpfs", con=connection)
        connection.execute("LOAD httpfs")
        return connection.execute("SELECT count(*), sum(ticket_price) FROM read_parquet(?)", [url]).fetchone()


READERS = {"polars": by_polars, "pandas": by_pandas, "duckdb": by_duckdb}

if len(sys.argv) != 3 or sys.argv[1] not in READERS:
    sys.exit(__doc__)
rows, amount = READERS[sys.argv[1]](sys.argv[2])
print(f"{rows} {amount}")
