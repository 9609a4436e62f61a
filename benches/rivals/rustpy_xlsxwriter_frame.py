"""connectorx into a frame of polars, which rustpy-xlsxwriter writes: Python around two Rust libraries."""

import polars
from rustpy_xlsxwriter import Format, write_worksheet

from columns import FORMATS, INSTANTS, MONEY, PATH, QUERY, SHEET, TIMES, URL

NANOSECONDS_OF_A_DAY = 86_400_000_000_000

frame = polars.read_database_uri(QUERY, URL, engine="connectorx")
# Excel knows no time zones; these are UTC.
frame = frame.with_columns(polars.col(name).dt.replace_time_zone(None) for name in INSTANTS)
# Of decimals and times of day it would make empty cells.
frame = frame.with_columns(
    polars.col(MONEY).cast(polars.Float64),
    polars.col(TIMES).cast(polars.Int64) / NANOSECONDS_OF_A_DAY,
)
formats = {name: Format().set_num_format(text) for name, text in FORMATS.items()}
write_worksheet(frame, PATH, sheet_name=SHEET, column_formats=formats)
