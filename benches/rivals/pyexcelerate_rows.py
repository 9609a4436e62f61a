"""psycopg2 and PyExcelerate."""

import psycopg2
from pyexcelerate import Format, Style, Workbook

from columns import FORMATS, INSTANTS, MONEY, PATH, QUERY, SHEET, URL

with psycopg2.connect(URL) as connection, connection.cursor() as cursor:
    cursor.execute("SET TIME ZONE 'UTC'")
    cursor.execute(QUERY)
    names = [column.name for column in cursor.description]
    instants = [names.index(name) for name in INSTANTS]
    money = [names.index(name) for name in MONEY]
    rows = [names]
    for record in cursor:
        row = list(record)
        for column in instants:
            if row[column] is not None:
                row[column] = row[column].replace(tzinfo=None)
        for column in money:
            if row[column] is not None:
                row[column] = float(row[column])
        rows.append(row)

workbook = Workbook()
sheet = workbook.new_sheet(SHEET, data=rows)
for name, text in FORMATS.items():
    sheet.set_col_style(names.index(name) + 1, Style(format=Format(text)))
workbook.save(PATH)
