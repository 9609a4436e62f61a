"""pandas, psycopg2 and openpyxl: what the report command replaces."""

import warnings

import pandas
import psycopg2

from columns import FORMATS, INSTANTS, PATH, QUERY, SHEET, TIMES, URL

# pandas would rather have an SQLAlchemy engine around the connection, which makes no difference to what is read.
warnings.filterwarnings("ignore", category=UserWarning)


def day_fraction(time):
    """A time of day as Excel counts it. Left alone, pandas would write it as text."""
    return None if time is None else (time.hour * 3600 + time.minute * 60 + time.second) / 86400


with psycopg2.connect(URL) as connection:
    frame = pandas.read_sql(QUERY, connection)
for name in INSTANTS:
    frame[name] = pandas.to_datetime(frame[name], utc=True).dt.tz_localize(None)
for name in TIMES:
    frame[name] = frame[name].map(day_fraction)

with pandas.ExcelWriter(PATH, engine="openpyxl") as writer:
    frame.to_excel(writer, sheet_name=SHEET, index=False)
    sheet = writer.sheets[SHEET]
    for name, number_format in FORMATS.items():
        column = frame.columns.get_loc(name) + 1
        for (cell,) in sheet.iter_rows(min_row=2, min_col=column, max_col=column):
            cell.number_format = number_format
