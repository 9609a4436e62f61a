"""Reads a workbook of any size with three programs and compares every cell with the snapshot it was made from.

Usage: read_back.py WORKBOOK TICKETS.parquet

The report's time zone must be UTC. Prints what was compared; ends with 1 and the first difference otherwise. Each reader
is a process of its own in turn, since pandas holds a million rows in gigabytes.
"""

import datetime
import itertools
import multiprocessing
import re
import sys

import openpyxl
import pandas
import polars
import pyarrow.parquet

# The longest text of a cell, in UTF-16 units.
LONGEST_TEXT = 32_767
EPOCH = datetime.datetime(1970, 1, 1)
DAY = datetime.timedelta(days=1)


def fitting(text):
    """As much of a text as a cell takes."""
    if len(text) * 2 <= LONGEST_TEXT:
        return text
    return text.encode("utf-16-le", "surrogatepass")[: LONGEST_TEXT * 2].decode("utf-16-le", "ignore")


def unescaped(text):
    """What Excel shows for the escapes of characters that XML can't hold, which some readers leave as they are."""
    if "_x" not in text:
        return text
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)


def moment(value):
    """A date, time of day or instant as microseconds, since 1970 or midnight."""
    if isinstance(value, datetime.datetime):
        return (value.replace(tzinfo=None) - EPOCH) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return (value.toordinal() - EPOCH.toordinal()) * 86_400_000_000
    if isinstance(value, datetime.timedelta):
        return value // datetime.timedelta(microseconds=1)
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond


def same(found, expected):
    # Nothing tells an empty text from an empty cell; pandas has NaN and NaT for both.
    if expected is None or expected == "":
        return found is None or found == "" or found != found
    if isinstance(expected, str):
        return isinstance(found, str) and fitting(expected) in (found, unescaped(found))
    if isinstance(expected, datetime.time) and isinstance(found, datetime.datetime):
        found = found.time()
    if isinstance(expected, (datetime.date, datetime.time)):
        # Cells show milliseconds, cut; a double holds them to some hundred nanoseconds.
        return abs(moment(found) - moment(expected) // 1000 * 1000) < 1000
    # Cents are exact: the double is the one that is nearest to the amount.
    return found == float(expected)


def expected_rows(path):
    for batch in pyarrow.parquet.ParquetFile(path).iter_batches(10_000):
        yield from zip(*(column.to_pylist() for column in batch.columns))


def by_openpyxl(path):
    sheet = openpyxl.load_workbook(path, read_only=True).worksheets[0]
    return sheet.iter_rows(values_only=True)


def by_pandas(path):
    frame = pandas.read_excel(path, keep_default_na=False, na_values=[""])
    return itertools.chain([tuple(frame.columns)], frame.itertuples(index=False, name=None))


def by_polars(path):
    frame = polars.read_excel(path, sheet_name="TicketingReport", infer_schema_length=None)
    return itertools.chain([tuple(frame.columns)], frame.iter_rows())


def compare(name, read, path, snapshot):
    rows = iter(read(path))
    header = next(rows)
    columns = pyarrow.parquet.read_schema(snapshot).names[: len(header)]
    if list(header) != columns:
        sys.exit(f"{name}: the header is {header}")
    count = 0
    for count, (found, expected) in enumerate(itertools.zip_longest(rows, expected_rows(snapshot)), 1):
        if found is None or expected is None:
            sys.exit(f"{name}: the sheet or the snapshot ends in row {count}")
        for column, cell, value in zip(columns, found, expected):
            if not same(cell, value):
                sys.exit(f"{name}, row {count}, {column}: {cell!r:.100} for {value!r:.100}")
    print(f"{name}: {count} rows", flush=True)


def main():
    path, snapshot = sys.argv[1:]
    for name, read in [("polars", by_polars), ("openpyxl", by_openpyxl), ("pandas", by_pandas)]:
        reader = multiprocessing.Process(target=compare, args=(name, read, path, snapshot))
        reader.start()
        reader.join()
        if reader.exitcode != 0:
            sys.exit(1)


if __name__ == "__main__":
    main()
