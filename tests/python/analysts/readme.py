"""Runs what the README shows to analysts, on a store, and compares what it finds with the manifests.

Usage: readme.py STORE [PICTURE]

The blocks of the README's part `For the analyst` are run in their order, each in a folder of its own in which `reports`
is the store, as it is for whoever copies them. PICTURE gets the plot. The store's time zone is the one that the plot
names. Ends with 1 and what differs.
"""

import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import duckdb

README = Path(__file__).resolve().parents[3] / "README.md"


class Failed(Exception):
    """The README promises what isn't so."""


def blocks():
    """Languages and texts of the blocks."""
    part = re.search(r"^## For the analyst$(.*?)^## ", README.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.findall(r"^```(python|sql)\n(.*?)^```$", part[1], flags=re.M | re.S) if part else []


def months(store):
    """The newest edition of each whole month."""
    found = {}
    for path in store.glob("editions/*/*/manifest.json"):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        known = found.get(manifest["period"])
        if re.fullmatch(r"\d{4}-\d{2}", manifest["period"]) and (not known or known["edition"] < manifest["edition"]):
            found[manifest["period"]] = manifest
    return found


def each(store, part):
    """Month, currency and a part of its figures, for all that the manifests have."""
    for month, manifest in months(store).items():
        for currency, of in manifest["summary"]["currencies"].items():
            yield month, currency, of[part]


def net(of):
    return Decimal(of["gross"]) - Decimal(of["refunds"])


def same(what, found, expected):
    differ = [key for key in found | expected if found.get(key) != expected.get(key)]
    if differ or not found:
        lines = (f"{key}: {found.get(key)}, in the manifests {expected.get(key)}" for key in differ[:10])
        raise Failed(f"{what}: {len(differ)} of {len(expected)} figures differ\n" + "\n".join(lines))
    print(f"{what}: {len(found)} figures")


def of_rows(rows):
    """Rows with the figure last, by what stands before it."""
    return {tuple(key): value for *key, value in rows}


def sales(store):
    return {(month, currency): net(of) for month, currency, of in each(store, "sales") if of["tickets"]}


def with_polars(names, store):
    same("polars, net sales", of_rows(names["sales"].rows()), sales(store))
    paid = {
        (month, currency): Decimal(of["paid"]) for month, currency, of in each(store, "bookings") if of["bookings"]
    }
    same("polars, paid", of_rows(names["paid"].rows()), paid)


def with_duckdb(answers, store):
    by_month, exceptions = answers
    same("duckdb, net sales", of_rows(by_month), sales(store))
    found = {}
    for month, reason, _, count, _ in exceptions:
        found[month, reason] = found.get((month, reason), 0) + count
    expected = {
        (month, reason): count
        for month, manifest in months(store).items() for reason, count in manifest["summary"]["exceptions"].items()
    }
    same("duckdb, exceptions", found, expected)


def with_pandas(names, store):
    same("pandas, net sales", names["sales"].to_dict(), sales(store))


def plotted(names, store):
    expected = {
        (line["day"],): net(line) for _, currency, lines in each(store, "by_day") if currency == "EUR" for line in lines
    }
    same("plot, net sales by day", {(str(day),): value for day, value in names["days"].rows()}, expected)
    if not Path("net-sales.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>"):
        raise Failed("the plot isn't drawn")


def execute(language, text):
    """What the block leaves: names of Python, or the rows of each of its queries."""
    if language == "python":
        names = {}
        exec(compile(text, README.name, "exec"), names)
        return names
    return [duckdb.sql(query).fetchall() for query in text.split(";") if query.strip()]


CHECKS = [("python", with_polars), ("sql", with_duckdb), ("python", with_pandas), ("python", plotted)]


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    store, *picture = (Path(argument).resolve() for argument in sys.argv[1:])
    shown = blocks()
    if [language for language, _ in shown] != [language for language, _ in CHECKS]:
        raise Failed(f"the README shows blocks of {[language for language, _ in shown]}: each needs a check here")
    # No window is opened; the same drawing each time.
    os.environ["MPLBACKEND"] = "agg"
    os.environ["SOURCE_DATE_EPOCH"] = "0"
    import matplotlib

    matplotlib.rcParams["svg.hashsalt"] = "ticketing-report"
    for (language, text), (_, check) in zip(shown, CHECKS):
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            Path("reports").symlink_to(store)
            check(execute(language, text), store)
            if picture and check is plotted:
                shutil.copy("net-sales.svg", picture[0])
    print("the README's lines find what the manifests say, to the cent")


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(str(error))
