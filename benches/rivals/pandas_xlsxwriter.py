"""pandas and XlsxWriter in its constant memory mode.

That mode takes rows in order, while `to_excel` writes column by column and would lose cells: the rows are written one
by one.
"""

import warnings

import pandas
import psycopg2
import xlsxwriter

from columns import DATES, FORMATS, INSTANTS, MONEY, PATH, QUERY, SHEET, TIMES, URL

# pandas would rather have an SQLAlchemy engine around the connection, which makes no difference to what is read.
warnings.filterwarnings("ignore", category=UserWarning)

with psycopg2.connect(URL) as connection:
    frame = pandas.read_sql(QUERY, connection)
for name in INSTANTS:
    frame[name] = pandas.to_datetime(frame[name], utc=True).dt.tz_localize(None)

with xlsxwriter.Workbook(PATH, {"constant_memory": True}) as workbook:
    sheet = workbook.add_worksheet(SHEET)
    formats = {name: workbook.add_format({"num_format": text}) for name, text in FORMATS.items()}
    writes = []
    for name in frame.columns:
        if name in MONEY:
            writes.append(sheet.write_number)
        elif name in DATES + TIMES + INSTANTS:
            writes.append(sheet.write_datetime)
        else:
            writes.append(sheet.write)
    cell_formats = [formats.get(name) for name in frame.columns]
    sheet.write_row(0, 0, frame.columns)
    for row, values in enumerate(frame.itertuples(index=False, name=None), 1):
        for column, value in enumerate(values):
            if not pandas.isna(value):
                writes[column](row, column, value, cell_formats[column])
