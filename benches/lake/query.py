"""Net sales by month, route and currency, or all rows with all their columns, by a process that has two threads.

Usage: query.py polars|duckdb sales|rows FOLDER        FOLDER has the files as month=2025-11/part-0.parquet
       query.py duckdb table FOLDER

`rows` is a frame in Polars, and with DuckDB what it hands over as Arrow, batch by batch; `table` copies them into a table
of DuckDB's own. Prints JSON: the net sales that were found with their amounts as text, or the number of rows; the CPU
seconds that it took without the reader's start; and the most resident memory of the process.
"""

import importlib
import json
import os
import re
import sys
import time
from pathlib import Path

THREADS = 2


def sales_by_polars(files):
    import polars as pl

    tickets = pl.scan_parquet(files, hive_partitioning=True)
    net = pl.col("ticket_price").sum() - pl.col("refunded_amount").sum()
    sales = tickets.group_by("month", "route_code", "ticket_currency").agg(pl.len().alias("tickets"), net.alias("net"))
    return told(sales.collect(engine="streaming").rows())


def sales_by_duckdb(files):
    return told(connected().sql(f"""
        SELECT month, route_code, ticket_currency, count(*), sum(ticket_price) - coalesce(sum(refunded_amount), 0)
        FROM '{files}'
        GROUP BY ALL
    """).fetchall())


def rows_by_polars(files):
    import polars as pl

    return len(pl.read_parquet(files, hive_partitioning=True))


def rows_by_duckdb(files):
    return sum(len(batch) for batch in connected().sql(f"FROM '{files}'").to_arrow_reader())


def table_by_duckdb(files):
    connection = connected()
    connection.execute(f"CREATE TABLE tickets AS FROM '{files}'")
    return connection.execute("SELECT count(*) FROM tickets").fetchone()[0]


def connected():
    import duckdb

    return duckdb.connect(config={"threads": THREADS})


def told(sales):
    return [[month, route, currency, tickets, str(net)] for month, route, currency, tickets, net in sales]


def peak_mib():
    """Not what getrusage says, which a process takes over from the one that started it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, flags=re.M)[1]) / 1024


def main():
    queries = {
        ("polars", "sales"): sales_by_polars,
        ("duckdb", "sales"): sales_by_duckdb,
        ("polars", "rows"): rows_by_polars,
        ("duckdb", "rows"): rows_by_duckdb,
        ("duckdb", "table"): table_by_duckdb,
    }
    if len(sys.argv) != 4 or tuple(sys.argv[1:3]) not in queries:
        sys.exit(__doc__)
    reader, query, folder = sys.argv[1:]
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    importlib.import_module(reader)
    began = time.process_time()
    found = queries[reader, query](f"{folder}/*/*.parquet")
    cpu_seconds = time.process_time() - began
    print(json.dumps({"found": found, "cpu_seconds": cpu_seconds, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
