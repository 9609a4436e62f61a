"""Writes a month's tickets once more, as another program does when nobody tells it how.

Usage: rewrite.py pandas|polars|duckdb FROM.parquet TO.parquet

The rows stay in the order of our file, which helps the others too: it is sorted by day of travel.
"""

import sys


def by_pandas(source, target):
    import pandas

    # With Arrow's types, as plain pandas takes twice the memory; what is written then are the same types as ours.
    pandas.read_parquet(source, dtype_backend="pyarrow", partitioning=None).to_parquet(target)


def by_polars(source, target):
    import polars

    polars.read_parquet(source, hive_partitioning=False).write_parquet(target)


def by_duckdb(source, target):
    import duckdb

    duckdb.sql(f"COPY (FROM read_parquet('{source}', hive_partitioning = false)) TO '{target}' (FORMAT parquet)")


WRITERS = {"pandas": by_pandas, "polars": by_polars, "duckdb": by_duckdb}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in WRITERS:
        sys.exit(__doc__)
    WRITERS[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
