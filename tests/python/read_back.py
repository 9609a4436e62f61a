"""Reads a workbook with openpyxl and pandas and compares it with what the test expects, cell by cell.

Usage: read_back.py WORKBOOK EXPECTED.json

EXPECTED.json holds `columns` and `rows`; a cell is null or has one of `text`, `number` (a decimal), `date`, `time` and
`instant` (ISO, to the millisecond). Ends with 1 and the first differences if there are any.
"""

import datetime
import decimal
import json
import re
import sys

import openpyxl
import pandas


def unescape(text):
    """What Excel shows for the escapes of characters that XML can't hold, which openpyxl leaves as they are."""
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)


def milliseconds(moment):
    """The moment, rounded: a double holds a day's fraction to some hundred nanoseconds."""
    moment += datetime.timedelta(microseconds=500)
    return moment.isoformat(timespec="milliseconds")


def shows(found, expected):
    if expected is None:
        return found is None
    ((kind, value),) = expected.items()
    if kind == "text":
        # Nothing tells an empty text from an empty cell.
        return (found is None and value == "") or (isinstance(found, str) and unescape(found) == value)
    if kind == "number":
        return type(found) in (int, float) and round(decimal.Decimal(found), 2) == decimal.Decimal(value)
    if kind == "date":
        return isinstance(found, datetime.datetime) and found.isoformat() == value + "T00:00:00"
    if kind == "time":
        return isinstance(found, datetime.time) and found.isoformat() == value
    return isinstance(found, datetime.datetime) and milliseconds(found) == value


def by_openpyxl(path, columns, rows):
    workbook = openpyxl.load_workbook(path)
    if workbook.sheetnames[0] != "TicketingReport" or workbook.sheetnames[-1] != "Run info":
        yield f"sheets: {workbook.sheetnames}"
    sheet = workbook["TicketingReport"]
    found = list(sheet.iter_rows(values_only=True))
    if list(found[0]) != columns:
        yield f"header: {found[0]}"
    if len(found) - 1 != len(rows):
        yield f"{len(found) - 1} rows, not {len(rows)}"
    for number, (found_row, row) in enumerate(zip(found[1:], rows), start=2):
        for column, cell, expected in zip(columns, found_row, row):
            if not shows(cell, expected):
                yield f"openpyxl, row {number}, {column}: {cell!r:.100} for {expected!r:.100}"
    if sheet.max_column != len(columns):
        yield f"{sheet.max_column} columns"
    if any(cell.data_type == "f" for row in sheet.iter_rows() for cell in row):
        yield "there are formulas"
    if sheet.freeze_panes is None or sheet.auto_filter.ref is None:
        yield "the header isn't frozen, or has no filter"


def by_pandas(path, columns, rows):
    frame = pandas.read_excel(path)
    if list(frame.columns) != columns:
        yield f"pandas, columns: {list(frame.columns)}"
    if len(frame) != len(rows):
        yield f"pandas, {len(frame)} rows"
    for column, kind in {"issued_at": "M", "service_date": "M", "ticket_price": "f", "paid_amount": "f"}.items():
        if frame[column].dtype.kind != kind:
            yield f"pandas, {column}: {frame[column].dtype}"
    references = [row[columns.index("ticket_ref")]["text"] for row in rows]
    if list(frame["ticket_ref"]) != references:
        yield "pandas, ticket_ref"
    prices = [decimal.Decimal(row[columns.index("ticket_price")]["number"]) for row in rows]
    if [round(decimal.Decimal(price), 2) for price in frame["ticket_price"]] != prices:
        yield "pandas, ticket_price"
    if round(frame["ticket_price"].sum(), 2) != float(sum(prices)):
        yield "pandas, sum of ticket_price"


def main():
    path, expected = sys.argv[1:]
    with open(expected, encoding="utf-8") as file:
        expected = json.load(file)
    columns, rows = expected["columns"], expected["rows"]
    wrong = [*by_openpyxl(path, columns, rows), *by_pandas(path, columns, rows)]
    if wrong:
        sys.exit("\n".join([f"{len(wrong)} differences:", *wrong[:20]]))
    print(f"{len(rows)} rows as expected")


main()
