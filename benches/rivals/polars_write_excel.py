"""connectorx and polars, whose `write_excel` is XlsxWriter."""

import polars

from columns import FORMATS, INSTANTS, PATH, QUERY, SHEET, URL

frame = polars.read_database_uri(QUERY, URL, engine="connectorx")
# Excel knows no time zones; these are UTC.
frame = frame.with_columns(polars.col(name).dt.replace_time_zone(None) for name in INSTANTS)
frame.write_excel(PATH, worksheet=SHEET, column_formats=FORMATS, autofit=False)
