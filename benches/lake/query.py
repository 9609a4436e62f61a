"""Net sales by month, route and currency, in a process of its own that has two threads.

Usage: query.py polars|duckdb FOLDER        FOLDER has the files as month=2025-11/part-0.parquet

Prints JSON: the rows that were found with their amounts as text, the CPU seconds that the query took without the
reader's start, and the most resident memory of the process.
"""

import importlib
import json
import os
import re
import sys
import time
from pathlib import Path

THREADS = 2


def by_polars(folder):
    import polars as pl

    tickets = pl.scan_parquet(f"{folder}/*/*.parquet", hive_partitioning=True)
    net = pl.col("ticket_price").sum() - pl.col("refunded_amount").sum()
    sales = tickets.group_by("month", "route_code", "ticket_currency").agg(pl.len().alias("tickets"), net.alias("net"))
    return sales.collect(engine="streaming").rows()


def by_duckdb(folder):
    import duckdb

    connection = duckdb.connect(config={"threads": THREADS})
    return connection.sql(f"""
        SELECT month, route_code, ticket_currency, count(*), sum(ticket_price) - coalesce(sum(refunded_amount), 0)
        FROM '{folder}/*/*.parquet'
        GROUP BY ALL
    """).fetchall()


def peak_mib():
    """Not what getrusage says, which a process takes over from the one that started it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, flags=re.M)[1]) / 1024


def main():
    readers = {"polars": by_polars, "duckdb": by_duckdb}
    if len(sys.argv) != 3 or sys.argv[1] not in readers:
        sys.exit(__doc__)
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    importlib.import_module(sys.argv[1])
    began = time.process_time()
    rows = readers[sys.argv[1]](sys.argv[2])
    cpu_seconds = time.process_time() - began
    found = [[month, route, currency, tickets, str(net)] for month, route, currency, tickets, net in rows]
    print(json.dumps({"rows": found, "cpu_seconds": cpu_seconds, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
