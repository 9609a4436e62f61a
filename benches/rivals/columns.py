"""Which columns of the report need more than their value, for all scripts beside this one.

Each script is run with the address of the database in DATABASE_URL, the query in QUERY, and the workbook's path as its
only argument.
"""

import os
import sys

URL = os.environ["DATABASE_URL"]
QUERY = os.environ["QUERY"]
PATH = sys.argv[1]
SHEET = "TicketingReport"

MONEY = ["ticket_price", "booking_total_amount", "paid_amount", "refunded_amount"]
DATES = ["service_date"]
TIMES = ["departure_time", "arrival_time"]
INSTANTS = ["issued_at"]

# The number format of every column that has one.
FORMATS = (
    {name: "#,##0.00" for name in MONEY}
    | {name: "yyyy-mm-dd" for name in DATES}
    | {name: "hh:mm" for name in TIMES}
    | {name: "yyyy-mm-dd hh:mm:ss" for name in INSTANTS}
)
