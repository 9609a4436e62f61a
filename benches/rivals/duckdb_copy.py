"""DuckDB with its extensions `postgres` and `excel`. It has no number format for amounts."""

import os

import duckdb

from columns import INSTANTS, PATH, QUERY, URL


def quoted(text):
    """A literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


instants = ", ".join(f"{name} AT TIME ZONE 'UTC' AS {name}" for name in INSTANTS)
connection = duckdb.connect(config={"extension_directory": os.environ["DUCKDB_EXTENSIONS"]})
connection.execute("LOAD postgres_scanner; LOAD excel; SET TimeZone = 'UTC'")
connection.execute(f"ATTACH {quoted(URL)} AS report (TYPE postgres, READ_ONLY)")
connection.execute(
    f"COPY (SELECT * REPLACE ({instants}) FROM postgres_query('report', {quoted(QUERY)})) "
    f"TO {quoted(PATH)} WITH (FORMAT xlsx, HEADER true, SHEET 'TicketingReport')"
)
