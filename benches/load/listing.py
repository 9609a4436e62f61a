"""Does a page of a list cost the same with ten thousand editions in the store as with a hundred?

Usage: listing.py REPORT_SERVER TICKETING_REPORT [--rounds 400]

Two servers, one over each store, are asked in turn for the same page of 25 workbooks; the medians count, and the larger
store's may be 1.5 times the smaller one's. Each edition more may take 1 KiB of memory; what it takes at most, while the
server looks into the store, is told. So are the home page, a search and the mean, in which those looks are.
"""

import argparse
import datetime
import http.client
import json
import statistics
import time

from measuring import Workplace, measured, month, tell, until

FEW, MANY = 100, 10_000

# Editions of each period, as of a month that is run again when its data has changed.
EDITIONS = 5

# As many periods are whole months; the others are ranges of a week.
MONTHS = 100

PAGES = {
    "list": "/api/k8s/reports?details=true&sort=created&order=desc&limit=25&offset=50",
    "home": "/",
    "search": "/api/k8s/reports?details=true&search=report-20&limit=25",
}

# For so long both are asked on, one list after the other, until what a look into the store took has gone back.
SETTLING = 12

MOST_TIMES = 1.5
MOST_BYTES = 1024


def periods():
    """Ids and workbooks' names, the newest first, without end."""
    for back in range(2, 2 + MONTHS):
        yield month(back), f"ticketing-report-{month(back)}"
    last = datetime.date(2025, 1, 1)
    while True:
        first, last = last - datetime.timedelta(days=6), last - datetime.timedelta(days=1)
        yield f"{first}_to_{last}", f"ticketing-report-{first}-to-{last}"


def fill(store, count, manifest):
    """Editions that have what lists tell of them: manifests without what the index passes over, workbooks of a byte."""
    for place, (period, name) in enumerate(periods()):
        if place * EDITIONS >= count:
            return
        for edition in range(1, EDITIONS + 1):
            folder = store / "editions" / period / str(edition)
            folder.mkdir(parents=True)
            workbook = manifest["workbook"] | {"name": f"{name}.xlsx", "edition_name": f"{name}-edition-{edition}.xlsx"}
            created = datetime.datetime(2025, 1, 1) + datetime.timedelta(minutes=place * EDITIONS + edition)
            own = {"period": period, "edition": edition, "workbook": workbook, "created_at": f"{created.isoformat()}Z"}
            (folder / "manifest.json").write_text(json.dumps(manifest | own), encoding="utf-8")
            shown = workbook["name"] if edition == EDITIONS else workbook["edition_name"]
            (store / shown).write_bytes(b"P")


def lean(manifest):
    """A real manifest without its lists by day, route and station, which would make gigabytes of ten thousand."""
    currencies = manifest["summary"]["currencies"]
    summary = {"currencies": {code: {"sales": of["sales"]} for code, of in currencies.items()}}
    return {key: of for key, of in manifest.items() if key not in ("changes", "compared", "run")} | {"summary": summary}


class Asked:
    """A server that is asked on one connection, and how long it took."""

    def __init__(self, server):
        self.server, self.connection = server, http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.seconds = {name: [] for name in PAGES}

    def get(self, path):
        self.connection.request("GET", path, headers={"Accept": "text/html" if path == "/" else "application/json"})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body[:300].decode(errors='replace')}")
        return body

    def time(self, name):
        began = time.perf_counter()
        self.get(PAGES[name])
        self.seconds[name].append(time.perf_counter() - began)

    def total(self):
        return json.loads(self.get(PAGES["list"]))["total"]


def settled(asked):
    """The least memory of each server while it is asked on. One that nobody asks gives nothing back to the system."""
    least = [float("inf")] * len(asked)
    end = time.monotonic() + SETTLING
    while time.monotonic() < end:
        for place, (of, _) in enumerate(asked):
            of.get(PAGES["list"])
            least[place] = min(least[place], of.server.kibibytes("VmRSS") * 1024)
    return least


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report_server")
    parser.add_argument("ticketing_report")
    parser.add_argument("--rounds", type=int, default=400)
    options = parser.parse_args()
    programs = options.report_server, options.ticketing_report

    with Workplace(*programs) as few, Workplace(*programs) as many:
        few.demo(tickets=2000)
        few.publish(month(1))
        manifest = few.store / "editions" / month(1) / "1" / "manifest.json"
        manifest = lean(json.loads(manifest.read_text(encoding="utf-8")))
        few.store = few.folder / "few"
        for place, count in ((few, FEW), (many, MANY)):
            place.store.mkdir()
            fill(place.store, count, manifest)
        # The rate of requests is limited for each address, and here all come from one.
        rate = ["--rate", "100000"]
        with few.serve(*rate) as small, many.serve(*rate) as large:
            asked = [(Asked(small), FEW), (Asked(large), MANY)]
            for of, count in asked:
                until(f"a list of {count}", lambda of=of, count=count: of.total() == count)
            for name in PAGES:
                for round_ in range(options.rounds):
                    # In turn, and in turn the first.
                    for of, _ in asked if round_ % 2 else reversed(asked):
                        of.time(name)
            memory = settled(asked)
            most = [of.server.kibibytes("VmHWM") * 1024 for of, _ in asked]

    figures, wrong = {"rounds": options.rounds}, []
    for name in PAGES:
        first, second = (of.seconds[name] for of, _ in asked)
        figures[name] = {
            "milliseconds_few": round(1000 * statistics.median(first), 3),
            "milliseconds_many": round(1000 * statistics.median(second), 3),
            "times": round(statistics.median(second) / statistics.median(first), 2),
            "times_of_means": round(statistics.mean(second) / statistics.mean(first), 2),
        }
    bytes_each, at_most = ((many - few) / (MANY - FEW) for few, many in (memory, most))
    figures |= {"mib_few": round(memory[0] / 2**20, 1), "mib_many": round(memory[1] / 2**20, 1)}
    figures |= {"bytes_for_an_edition": round(bytes_each), "bytes_for_an_edition_at_most": round(at_most)}
    if (times := figures["list"]["times"]) > MOST_TIMES:
        wrong.append(f"a page of the list costs {times} times as much, more than {MOST_TIMES}")
    if bytes_each > MOST_BYTES:
        wrong.append(f"an edition takes {bytes_each:.0f} bytes, more than {MOST_BYTES}")
    sentence = (
        f"a page of the list costs {times} times as much with {MANY} editions as with {FEW}, the home page "
        f"{figures['home']['times']} times; an edition takes {bytes_each:.0f} bytes, and {at_most:.0f} while the store is "
        "looked into"
    )
    tell(figures, sentence, wrong)


measured(main)
