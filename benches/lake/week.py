"""Reads one week's tickets, all their columns, from a month's file: in a process of its own, to see what it reads.

Usage: week.py polars|duckdb|pyarrow|pandas FILE|URL FIRST LAST        FIRST and LAST are days of travel, both inclusive

Prints JSON: how many tickets were found, and how many bytes the process has read for them. What a URL took is for
whoever stands between to count.
"""

import datetime
import importlib
import io
import json
import os
import sys
import urllib.request
from pathlib import Path


def by_polars(where, first, last):
    import polars as pl

    tickets = pl.scan_parquet(where, hive_partitioning=False)
    return len(tickets.filter(pl.col("service_date").is_between(first, last)).collect())


def by_duckdb(where, first, last):
    import duckdb

    connection = duckdb.connect()
    if "://" in where:
        import tempfile

        from duckdb_extensions import import_extension

        connection.execute("SET extension_directory = ?", [tempfile.mkdtemp()])
        import_extension("httpfs", con=connection)
        connection.execute("LOAD httpfs")
    connection.execute(f"""
        CREATE TABLE week AS
        FROM read_parquet('{where}', hive_partitioning = false) WHERE service_date BETWEEN '{first}' AND '{last}'
    """)
    return connection.execute("SELECT count(*) FROM week").fetchone()[0]


class Ranges(io.RawIOBase):
    """A file on a server, of which only what is read is asked for: all that pyarrow needs to read over HTTP."""

    def __init__(self, url):
        self.url, self.place = url, 0
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD")) as answer:
            self.size = int(answer.headers["Content-Length"])

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self.place

    def seek(self, offset, whence=io.SEEK_SET):
        self.place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence]
        return self.place

    def readinto(self, buffer):
        end = min(self.place + len(buffer), self.size)
        if end == self.place:
            return 0
        request = urllib.request.Request(self.url, headers={"Range": f"bytes={self.place}-{end - 1}"})
        with urllib.request.urlopen(request) as answer:
            found = answer.read()
        buffer[: len(found)] = found
        self.place += len(found)
        return len(found)


def by_pyarrow(where, first, last):
    import pyarrow.parquet

    days = between(first, last)
    source = Ranges(where) if "://" in where else where
    return len(pyarrow.parquet.read_table(source, filters=days, partitioning=None))


def by_pandas(where, first, last):
    import pandas

    days = between(first, last)
    return len(pandas.read_parquet(where, filters=days, dtype_backend="pyarrow", partitioning=None))


def between(first, last):
    return [("service_date", ">=", first), ("service_date", "<=", last)]


def bytes_read():
    """What the process has read so far, by whichever call: none of the readers maps the rows into memory."""
    lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


# Each with what it imports.
READERS = {
    "polars": (by_polars, ["polars"]),
    "duckdb": (by_duckdb, ["duckdb"]),
    "pyarrow": (by_pyarrow, ["pyarrow.parquet", "pyarrow.dataset"]),
    "pandas": (by_pandas, ["pandas", "pyarrow.parquet", "pyarrow.dataset"]),
}


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in READERS:
        sys.exit(__doc__)
    read, libraries = READERS[sys.argv[1]]
    # What a library reads of itself doesn't count.
    for library in libraries:
        importlib.import_module(library)
    before = bytes_read()
    rows = read(sys.argv[2], *map(datetime.date.fromisoformat, sys.argv[3:]))
    print(json.dumps({"rows": rows, "read": bytes_read() - before}), flush=True)
    # At once: pyarrow's threads may still hold a file that is Python's own, and abort when the interpreter goes first.
    os._exit(0)


if __name__ == "__main__":
    main()
