"""The store that the notebooks read: where it is, and what its manifests say."""

import calendar
import datetime
import json
import os
import re
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

# A kernel runs in the notebooks' folder, a script anywhere: a relative store would mean something else each time.
ROOT = Path(__file__).resolve().parent.parent


def _folder():
    named = os.environ.get("REPORT_STORE") or "reports"
    url = urlparse(named)
    if url.scheme == "file":
        return Path(url2pathname(url.path))
    if "://" in named:
        raise ValueError(f"REPORT_STORE is `{named}`: the notebooks read a folder or a `file://` URL")
    return (ROOT / named).resolve()


FOLDER = _folder()


def manifests(period="*"):
    """All editions, or those of a period, by period and number."""
    paths = FOLDER.glob(f"editions/{period}/*/manifest.json")
    found = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return sorted(found, key=lambda manifest: (manifest["period"], manifest["edition"]))


def months():
    """The newest edition of each whole month, by month."""
    whole = {m["period"]: m for m in manifests() if re.fullmatch(r"\d{4}-\d{2}", m["period"])}
    if not whole:
        raise LookupError(
            f"no whole month in `{FOLDER}`: make one with `ticketing-report --period previous-month --store {FOLDER}`,"
            " or name another store in REPORT_STORE"
        )
    return whole


def month(wanted=None):
    """The newest edition of the month that is asked for, or of the newest one in which tickets were sold."""
    whole = months()
    if wanted:
        if wanted not in whole:
            raise LookupError(f"no edition of `{wanted}` in `{FOLDER}`: there are {', '.join(whole)}")
        return whole[wanted]
    sold = [manifest for manifest in whole.values() if manifest["rows"]]
    if not sold:
        raise LookupError(f"no ticket in any month of `{FOLDER}`: there is nothing to show")
    return sold[-1]


def days(month):
    """All days of a month, also those on which nothing was sold."""
    year, number = map(int, month.split("-"))
    return [datetime.date(year, number, day + 1) for day in range(calendar.monthrange(year, number)[1])]


def folder(manifest):
    """Where an edition's files lie."""
    return FOLDER / "editions" / manifest["period"] / str(manifest["edition"])


def files(manifest):
    """What the manifest says of each Parquet file, by table; editions made long ago have no exceptions."""
    exceptions = manifest.get("exceptions")
    return manifest["tables"] | ({"exceptions": exceptions} if exceptions else {})


def workbook(manifest):
    """The edition's workbook, by whichever of its two names it has now; None when it isn't there."""
    names = manifest["workbook"]
    same_name = [m for m in manifests(manifest["period"]) if m["workbook"]["name"] == names["name"]]
    newest = same_name[-1]["edition"]
    path = FOLDER / names["name" if manifest["edition"] == newest else "edition_name"]
    return path if path.exists() else None


def must_be(what, ours, published):
    """Compares figures by their keys. Those that differ are named, with both values, and nothing goes on."""
    differ = [key for key in ours | published if ours.get(key) != published.get(key)]
    told = [f"{what}, {key}: {ours.get(key)} here, {published.get(key)} published" for key in differ[:20]]
    assert not differ, "\n".join([*told, f"{len(differ)} figures of {what} aren't those that were published"])
    print(f"{what}: {f'{len(published)} figures, the same to the cent' if published else 'none here, none published'}")


def currencies(manifest):
    """Codes of the currencies, the one with the most tickets first, as in the workbook."""
    summary = manifest.get("summary")
    if not summary:
        raise LookupError(
            f"edition {manifest['edition']} of {manifest['period']} was made before there were summaries:"
            f" report it again with `ticketing-report --period {manifest['period']} --force`"
        )
    of = summary["currencies"]
    return sorted(of, key=lambda code: (-of[code]["sales"]["tickets"], code))
