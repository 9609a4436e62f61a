"""Makes the store that is measured: whole months of about as many tickets each, by the real program from PostgreSQL."""

import os
import subprocess
from urllib.parse import urlsplit

# The first month; fixed, so that the same months come out in every year.
FIRST_YEAR = 2023

# Months in a database: several, so that bookings have tickets of two months, and few, as each report reads through all
# the payments there are.
MONTHS_EACH = 3


def names(count):
    """The months, in order."""
    return [f"{FIRST_YEAR + number // 12}-{number % 12 + 1:02}" for number in range(count)]


def psql(server, statement):
    subprocess.run(["psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--command={statement}", server], check=True)


def build(program, server, store, count, tickets):
    """Reports each month that the store doesn't have yet; one database after the other, as each takes gigabytes."""
    months = names(count)
    for seed, start in enumerate(range(0, count, MONTHS_EACH), 1):
        part = months[start : start + MONTHS_EACH]
        missing = [month for month in part if not (store / f"snapshots/tickets/month={month}/part-0.parquet").exists()]
        if not missing:
            continue
        name = f"lake_{os.getpid()}_{seed}"
        url = urlsplit(server)._replace(path=f"/{name}").geturl()
        psql(server, f"CREATE DATABASE {name}")
        try:
            subprocess.run(
                [program, "demo", "--quiet", url, "--tickets", str(tickets * len(part)), "--from", part[0],
                 "--months", str(len(part)), "--seed", str(seed)],
                check=True, stdout=subprocess.DEVNULL,
            )
            psql(url, "VACUUM ANALYZE")
            for month in missing:
                subprocess.run(
                    [program, "--quiet", "--period", month, "--time-zone", "UTC", "--store", store],
                    env={**os.environ, "DATABASE_URL": url}, check=True, stdout=subprocess.DEVNULL,
                )
        finally:
            psql(server, f"DROP DATABASE {name} WITH (FORCE)")
