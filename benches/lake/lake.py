"""Is a lake of three years read on a laptop, is it small, and does a reader who wants a week read only that?

Usage: lake.py TICKETING_REPORT REPORT_SERVER POSTGRES_URL [--months 36] [--tickets 1000000] [--store FOLDER]
               [--figures FILE] [--short]

TICKETING_REPORT makes a store of whole months, of about so many tickets each, from demo databases that come and go in
the server of POSTGRES_URL, whose user may create them. With --store it is kept there, and months that are there aren't
made again. Then:

- Net sales by month and route over all of it, by Polars and by DuckDB, with two threads each: in less than 1 GiB, and
  what the manifests say, to the cent.
- The same tickets as pandas, Polars and DuckDB write them when nobody tells them how, at most half a year of them: how
  large their files are beside ours, which must be the smallest; how much CPU time it takes to read all their columns,
  which must be least for ours; how much the same query takes, which mustn't be clearly less than over ours; and how much
  it takes DuckDB to copy them into a table. In turn, as a process each; medians count.
- One week of days of travel out of a month: how much of the file a reader fetches for it from the folder and from
  REPORT_SERVER, byte by byte. For the calendar week that takes the most of the month that is next to --tickets, it
  must be less than 30 % from the folder.

Prints a section for docs/figures.md, which --figures writes into it, and the figures as JSON. Ends with 1 and the
limits that are broken. --short is 3 months of 3,000 tickets and no limits but that every figure is right.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet
from building import build, names
from counting import Counting
from rewrite import WRITERS

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "python" / "server"))

from serving import Failed, Server  # noqa: E402: found by the line above

MIB = 1 << 20
MOST_MEMORY_MIB = 1024
MOST_OF_A_MONTH = 0.30

# By so much the medians of two runs of all this differ.
NOISE = 0.05

THREE_YEARS = 36

# Months that the other writers write too.
BESIDE = 6

# Rounds after which they are read as a whole again.
LESS_OFTEN = 5

READERS = {"polars": "Polars", "duckdb": "DuckDB"}
QUERIES = {"sales": "net sales", "rows": "all columns", "table": "into a table"}
KINDS = [(query, reader) for query in QUERIES for reader in READERS if (query, reader) != ("table", "polars")]
WHO = {"ours": "ticketing-report", "pandas": "pandas", "polars": "Polars", "duckdb": "DuckDB"}

# Between these lines docs/figures.md is written anew.
BEGIN, END = "<!-- Written by `make lake`. -->\n", "<!-- Until here. -->\n"


def run(script, *arguments, python=sys.executable):
    """What a script beside this one tells as JSON, and how long the whole process took."""
    began = time.perf_counter()
    command = [python, "-B", HERE / script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{script} {' '.join(map(str, arguments))}: {done.stderr}")
    return json.loads(done.stdout or "null"), time.perf_counter() - began


def parquet(store, month):
    return store / "snapshots" / "tickets" / f"month={month}" / "part-0.parquet"


# All of it


def published(store, months):
    """Tickets and net sales by month, route and currency, as the manifests have them."""
    sales = {}
    for month in months:
        newest = max((store / "editions" / month).iterdir(), key=lambda folder: int(folder.name))
        manifest = json.loads((newest / "manifest.json").read_text(encoding="utf-8"))
        for currency, of in manifest["summary"]["currencies"].items():
            for line in of["by_route"]:
                key = month, line["route"], currency
                tickets, net = sales.get(key, (0, Decimal(0)))
                sales[key] = tickets + line["tickets"], net + Decimal(line["gross"]) - Decimal(line["refunds"])
    return sales


def sales_of(answer):
    return {(month, route, currency): (tickets, Decimal(net)) for month, route, currency, tickets, net in answer["found"]}


def whole(store, months, rounds):
    """Seconds and memory of each reader for all months."""
    expected = published(store, months)
    took = {reader: [] for reader in READERS}
    for _ in range(rounds):
        for reader in READERS:
            answer, seconds = run("query.py", reader, "sales", store / "snapshots" / "tickets")
            found = sales_of(answer)
            differ = [key for key in found | expected if found.get(key) != expected.get(key)]
            if differ:
                key = differ[0]
                raise Failed(
                    f"{reader}: {len(differ)} of {len(expected)} net sales aren't the manifests', {key} is "
                    f"{found.get(key)} and not {expected.get(key)}"
                )
            took[reader].append((seconds, answer["cpu_seconds"], answer["peak_mib"]))
    figures = {
        reader: {
            "seconds": round(statistics.median(seconds for seconds, _, _ in runs), 2),
            "cpu_seconds": round(statistics.median(cpu for _, cpu, _ in runs), 2),
            "peak_mib": round(max(peak for _, _, peak in runs), 1),
        }
        for reader, runs in took.items()
    }
    rows = sum(tickets for tickets, _ in expected.values())
    return {"rows": rows, "figures_compared": len(expected), "readers": figures}


# Beside other writers


def others(store, months, folder):
    """The months' files by each writer, ours as links."""
    for month in months:
        source = parquet(store, month)
        for writer in WHO:
            target = folder / writer / f"month={month}" / "part-0.parquet"
            target.parent.mkdir(parents=True)
            if writer == "ours":
                target.symlink_to(source)
            else:
                run("rewrite.py", writer, source, target)


def beside(store, months, folder, rounds):
    """Bytes of each writer's files, and what CPU time each reader takes over them, as multiples of ours."""
    others(store, months, folder)
    expected = published(store, months)
    rows = sum(tickets for tickets, _ in expected.values())
    seconds = {kind: {writer: [] for writer in WHO} for kind in KINDS}
    writers = list(WHO)
    for turn in range(rounds):
        for query, reader in KINDS:
            # That takes ten times as long.
            if query != "sales" and turn % LESS_OFTEN:
                continue
            for writer in writers:
                answer, _ = run("query.py", reader, query, folder / writer)
                if (sales_of(answer) != expected) if query == "sales" else (answer["found"] != rows):
                    raise Failed(f"{reader} finds other {query} in what {writer} wrote")
                seconds[query, reader][writer].append(answer["cpu_seconds"])
        # Each is the first one in turn.
        writers.append(writers.pop(0))
    sizes = {writer: sum(path.stat().st_size for path in (folder / writer).glob("*/*")) for writer in WHO}
    medians = {kind: {w: statistics.median(runs) for w, runs in of.items()} for kind, of in seconds.items()}

    def by_query(figure):
        figures = {query: {} for query in QUERIES}
        for query, reader in KINDS:
            figures[query][reader] = round(figure(medians[query, reader]), 3)
        return figures

    return {
        "months": len(months),
        "rounds": rounds,
        "writers": {
            writer: {
                "mib": round(sizes[writer] / MIB, 1),
                "size_times_ours": round(sizes[writer] / sizes["ours"], 3),
                "cpu_seconds": by_query(lambda of: of[writer]),
                "cpu_times_ours": by_query(lambda of: of[writer] / of["ours"]),
            }
            for writer in WHO
        },
    }


# A week of a month


def weeks(path):
    """Which part of a file the row groups are in which seven days from each day on are looked for, by first day."""
    metadata = pyarrow.parquet.read_metadata(path)
    place = metadata.schema.names.index("service_date")
    groups = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        days = group.column(place).statistics
        size = sum(group.column(column).total_compressed_size for column in range(group.num_columns))
        groups.append((days.min, days.max, size))
    first, last = groups[0][0], groups[-1][1]
    shares = {}
    for number in range(-6, (last - first).days + 1):
        begin = first + datetime.timedelta(number)
        end = begin + datetime.timedelta(6)
        shares[begin] = sum(size for low, high, size in groups if low <= end and high >= begin) / path.stat().st_size
    return shares


def monday(day):
    return day.weekday() == 0


def week(store, months, tickets, report_server, folder):
    """Shares of a month's file that readers fetch for a week, from the folder and from a server."""
    rows = {month: pyarrow.parquet.read_metadata(parquet(store, month)).num_rows for month in months}
    month = min(months, key=lambda month: abs(rows[month] - tickets))
    path = parquet(store, month)
    size = path.stat().st_size
    all_shares = {month: weeks(parquet(store, month)) for month in months}
    shares = all_shares[month]
    first = max(filter(monday, shares), key=shares.get)
    days = first.isoformat(), (first + datetime.timedelta(6)).isoformat()
    # DuckDB's extension for HTTP comes with another version of DuckDB, which is in a folder of its own.
    with_http = Path(sys.prefix).parent / "duckdb" / "bin" / "python"
    readers, found = {}, set()
    server = Server(report_server, folder, ["--store", store, "--rate", "100000"], {})
    with server, Counting(server.port) as counting:
        url = f"{counting.url}/api/k8s/snapshots/{month}/latest/tickets.parquet"
        for reader in ("polars", "duckdb", "pyarrow", "pandas"):
            answer, _ = run("week.py", reader, path, *days)
            before = counting.taken
            far, _ = run("week.py", reader, url, *days, python=with_http if reader == "duckdb" else sys.executable)
            taken = counting.taken - before
            found |= {answer["rows"], far["rows"]}
            readers[reader] = {"folder": round(answer["read"] / size, 3), "http": round(taken / size, 3)}
    if len(found) != 1:
        raise Failed(f"readers find different numbers of tickets in the week from {first}: {sorted(found)}")
    return {
        "month": month, "rows": rows[month], "mib": round(size / MIB, 1), "first": days[0], "last": days[1],
        "week_rows": found.pop(), "readers": readers,
        # By the days in the footers alone, for all seven days there are.
        "most_of_any_seven_days": round(max(shares.values()), 3),
        "most_in_any_month": round(max(max(of.values()) for of in all_shares.values()), 3),
        "most_of_any_week": round(max(of[day] for of in all_shares.values() for day in filter(monday, of)), 3),
    }


# How it is told


def machine():
    model = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), flags=re.M)
    kib = int(re.search(r"^MemTotal:\s+(\d+) kB$", Path("/proc/meminfo").read_text(encoding="utf-8"), flags=re.M)[1])
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("polars", "duckdb", "pandas", "pyarrow"))
    return (
        f"Measured on {datetime.date.today()} on {os.cpu_count()} cores ({model[1] if model else 'an unknown processor'}) "
        f"with {-(-kib // MIB)} GiB, with {versions}, while {os.getloadavg()[0]:.1f} processes wanted to run."
    )


def percent(share):
    return f"{100 * share:.1f} %"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def section(figures):
    lake, side, part = figures["lake"], figures["beside"], figures["week"]
    readers = [
        [READERS[reader], f"{of['seconds']:.2f} s", f"{of['cpu_seconds']:.2f} s", f"{of['peak_mib']:.0f} MiB"]
        for reader, of in lake["readers"].items()
    ]
    writers = [
        [
            WHO[writer], f"{of['mib']:,.1f} MiB", f"{of['size_times_ours']:.2f} ×",
            *(
                f"{of['cpu_seconds'][query][reader]:.2f} s, {of['cpu_times_ours'][query][reader]:.2f} ×"
                for query, reader in KINDS
            ),
        ]
        for writer, of in side["writers"].items()
    ]
    heads = ["written by", "files", "beside ours"]
    heads += [f"{QUERIES[query]}, {READERS[reader]}" for query, reader in KINDS]
    shares = [
        [WHO.get(reader, reader), percent(of["folder"]), percent(of["http"])] for reader, of in part["readers"].items()
    ]
    # Who measures less says so, under the same heading, which other documents lead to.
    less = "" if figures["months"] == THREE_YEARS else f"Not three years yet, but {figures['months']} months of them. "
    return f"""
## A lake of three years

{less}{lake['rows']:,} tickets in {figures['months']} months, {figures['mib']:,.0f} MiB of `tickets`, by the report itself. \
{machine()} Files were in the system's memory.

Net sales by month, route and currency over all of it, with two threads, a process each from its start to its end. All \
{lake['figures_compared']:,} figures are those of the manifests, to the cent.

{table(['', 'seconds', 'CPU, the query', 'most resident memory'], readers)}
The same tickets of {side['months']} months, in the same order, as others write them when nobody tells them how, and the \
CPU time that each reader takes over their files without its start: for the same net sales; to read all rows with all \
columns, which are a frame in Polars and what DuckDB hands over as Arrow; and to copy these into a table of DuckDB's own. \
Medians of {side['rounds']} runs in turn, of a fifth as many for the latter two, and as multiples of ours.

{table(heads, writers)}
All columns of one week of days of travel, {part['first']} to {part['last']}, which are {part['week_rows']:,} of the \
{part['rows']:,} tickets of {part['month']} and the calendar week that takes the most of this month: what is fetched for \
them, as a share of the file's {part['mib']:.1f} MiB.

{table(['', 'from the folder', 'from the server'], shares)}
A row group of at least 49,152 tickets ends with a calendar week, Monday to Sunday, and anywhere at 122,880. Any seven \
days take at most {percent(part['most_of_any_seven_days'])} of this month's file, and \
{percent(part['most_in_any_month'])} in the month that is the worst for it. The calendar week that takes the most of its \
month takes {percent(part['most_of_any_week'])}. pandas fetches a URL as a whole.
"""


def broken(figures):
    """The limits that don't hold."""
    for reader, of in figures["lake"]["readers"].items():
        if of["peak_mib"] >= MOST_MEMORY_MIB:
            yield f"{reader} takes {of['peak_mib']} MiB for all months, not less than {MOST_MEMORY_MIB}"
    for writer, of in figures["beside"]["writers"].items():
        if writer != "ours" and of["size_times_ours"] <= 1:
            yield f"the files of {writer} are {of['size_times_ours']} times as large as ours: ours aren't smaller"
        # Most of the query is grouping, which takes the same time whoever wrote the files.
        for query, least in [("sales", 1 - NOISE), ("rows", 1)]:
            for reader, times in of["cpu_times_ours"][query].items():
                if writer != "ours" and times <= least:
                    yield f"{reader}, {QUERIES[query]}: {times} times the CPU time of ours for the files of {writer}"
    for reader, of in figures["week"]["readers"].items():
        if of["folder"] >= MOST_OF_A_MONTH:
            yield f"{reader} reads {percent(of['folder'])} of a month for a week, not less than {percent(MOST_OF_A_MONTH)}"


def write(path, text):
    """The section in its place, between its two lines."""
    old = path.read_text(encoding="utf-8")
    before, found, rest = old.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise Failed(f"{path} has no two lines `{BEGIN.strip()}` and `{END.strip()}`")
    path.write_text(f"{before}{BEGIN}{text}\n{END}{after}", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("ticketing_report", type=Path)
    parser.add_argument("report_server", type=Path)
    parser.add_argument("postgres_url")
    parser.add_argument("--months", type=int, default=THREE_YEARS)
    parser.add_argument("--tickets", type=int, default=1_000_000, help="in each month, about")
    parser.add_argument("--store", type=Path, help="keeps the store in this folder")
    parser.add_argument("--figures", type=Path, help="the document that gets the section")
    parser.add_argument("--short", action="store_true", help="3 months of 3,000 tickets, once")
    options = parser.parse_args()
    count, tickets, rounds = (3, 3000, 1) if options.short else (options.months, options.tickets, 25)
    months = names(count)

    with tempfile.TemporaryDirectory(prefix="lake-") as folder:
        folder = Path(folder)
        store = (options.store or folder / "store").resolve()
        build(options.ticketing_report.resolve(), options.postgres_url, store, count, tickets)
        figures = {
            "months": count,
            "mib": round(sum(parquet(store, month).stat().st_size for month in months) / MIB, 1),
            "lake": whole(store, months, -(-rounds // LESS_OFTEN)),
            "beside": beside(store, months[:BESIDE], folder / "others", rounds),
            "week": week(store, months, tickets, options.report_server.resolve(), folder),
        }
    text = section(figures)
    print(text)
    if options.figures:
        write(options.figures, text)
    print(json.dumps(figures))
    if not options.short and (limits := list(broken(figures))):
        sys.exit("\n".join(limits))


if __name__ == "__main__":
    try:
        main()
    except (Failed, OSError, subprocess.CalledProcessError) as failed:
        sys.exit(str(failed))
