"""Runs every notebook from its text, top to bottom, on a demo store, and renders a page of each.

Usage: run_notebooks.py PROGRAM FOLDER

PROGRAM is the built ticketing-report. FOLDER gets the pages, the plots, the demo database and its store; afterwards the
store has a month without tickets too, for conformance.py. Ends with 1 and the reason if a notebook fails, writes to
stderr, draws nothing, or differs from its pair; and if a notebook doesn't notice what is wrong with a store.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbclient
import nbconvert
from traitlets.config import Config

NOTEBOOKS = Path(__file__).resolve().parents[3] / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))

import pair  # noqa: E402: it is found by the line above

# Months before the demo's first are without tickets, but for the last hour of the one before.
EMPTY = "2024-09"

# What the notebooks print when a store has too little for them.
TOO_LITTLE = {
    "revenue": "takes more months than one",
    "demand": "months in a row",
    "changes": "no two editions of any period",
}


class Failed(Exception):
    """Something isn't as it should be."""


def execute(name, store):
    """The notebook with its outputs."""
    made = pair.notebook(name)
    os.environ["REPORT_STORE"] = str(store)
    # Sockets in the file system: no port is open to anybody else on the machine.
    with tempfile.TemporaryDirectory() as sockets:
        config = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}})
        resources = {"metadata": {"path": str(NOTEBOOKS)}}
        client = nbclient.NotebookClient(made, kernel_name="python3", timeout=300, resources=resources, config=config)
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            raise Failed(f"{name}: {error}") from None
    for output in outputs(made):
        if output.output_type == "stream" and output.name == "stderr":
            raise Failed(f"{name} writes to stderr: {output.text}")
    if not plots(made):
        raise Failed(f"{name} draws nothing")
    return made


def outputs(made):
    return [output for cell in made.cells if cell.cell_type == "code" for output in cell.outputs]


def plots(made):
    return [output.data["image/svg+xml"] for output in outputs(made) if "image/svg+xml" in output.get("data", {})]


def render(name, made, folder):
    """One page that needs nothing from anywhere else: the scripts that Jupyter adds would be fetched for nothing."""
    page, _ = nbconvert.HTMLExporter().from_notebook_node(made, {"metadata": {"name": title(made)}})
    page = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    # Lines of 120 characters fit.
    page = page.replace("</head>", "<style>:root { --jp-code-font-size: 12px; }</style></head>", 1)
    if fetched := re.findall(r"<(?:script|link|img|iframe)\b[^>]*https?:[^>]*>", page):
        raise Failed(f"the page of {name} fetches {fetched}")
    (folder / f"{name}.html").write_text(page, encoding="utf-8")
    for number, plot in enumerate(plots(made), 1):
        (folder / f"{name}-{number}.svg").write_text(plot, encoding="utf-8")


def title(made):
    return next(line for line in made.cells[0].source.splitlines() if line.startswith("# "))[2:]


def script(name, store):
    """The notebook's text as a plain script, which is as good for whether it fails and faster."""
    environment = {**os.environ, "REPORT_STORE": str(store), "MPLBACKEND": "agg"}
    command = [sys.executable, NOTEBOOKS / f"{name}.py"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def report(program, database, store, *periods):
    for period in periods:
        subprocess.run(
            [program, "--quiet", "--period", period, "--store", store],
            env={**os.environ, "DATABASE_URL": f"sqlite://{database}"}, check=True, stdout=subprocess.DEVNULL,
        )


def small_store(program, folder):
    """One month of a hundred tickets, and a later one without any."""
    database, store = folder / "small-store.sqlite", folder / "small-store"
    database.unlink(missing_ok=True)
    shutil.rmtree(store, ignore_errors=True)
    subprocess.run(
        [program, "demo", "--quiet", f"sqlite://{database}", "--tickets", "100", "--from", "2025-03", "--months", "1"],
        check=True, stdout=subprocess.DEVNULL,
    )
    report(program, database, store, "2025-03", "2025-06")
    return store


def on_little(store):
    """Every notebook works on a single month, and says what it lacks."""
    for name in pair.NAMES:
        done = script(name, store)
        if done.returncode or done.stderr:
            raise Failed(f"{name} on a store of one month: {done.stderr or done.stdout}")
        if (said := TOO_LITTLE.get(name, "")) not in done.stdout:
            raise Failed(f"{name} on a store of one month doesn't say `{said}`: {done.stdout}")


def altered(store, folder, manifest, change):
    """A copy of a store in which a manifest was changed."""
    copy = folder / "altered-store"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(store, copy)
    path = copy / manifest
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return copy


def a_cent_more(of, key):
    whole, cents = of[key].split(".")
    of[key] = f"{whole}.{(int(cents) + 1) % 100:02}"


def notices(name, store, what, words):
    done = script(name, store)
    if done.returncode == 0:
        raise Failed(f"{name} doesn't notice {what}")
    if words not in done.stderr:
        raise Failed(f"{name} ends with something else than `{words}` on {what}: {done.stderr}")


def on_wrong(small, demo, folder):
    """A cent too much, a file that was changed: the notebooks are there to find it."""
    march = "editions/2025-03/1/manifest.json"

    def euros(manifest):
        return manifest["summary"]["currencies"]["EUR"]

    october = "editions/2025-10/2/manifest.json"
    for name, store, manifest, of, key, words in (
        ("payments", small, march, lambda m: euros(m)["reconciliation"][0], "amount", "steps, ('EUR', 'tickets_sold')"),
        ("payments", small, march, lambda m: euros(m)["bookings"], "outstanding", "('EUR', 'outstanding')"),
        ("revenue", small, march, lambda m: euros(m)["by_day"][0], "gross", "by day, ('2025-03-01',)"),
        ("first_look", small, march, lambda m: m["tables"]["refunds"]["totals"]["EUR"], "amount", "refunds, ("),
        ("changes", demo, october, lambda m: m["changes"]["net"]["EUR"]["changed"], "amount", "EUR, changed"),
    ):
        copy = altered(store, folder, manifest, lambda m, of=of, key=key: a_cent_more(of(m), key))
        notices(name, copy, f"a cent too much in {key}", words)
    copy = altered(small, folder, march, lambda m: None)
    with (copy / "editions/2025-03/1/refunds.parquet").open("r+b") as file:
        file.seek(100)
        file.write(b"X")
    notices("first_look", copy, "a file that was changed", "refunds.parquet is missing or damaged")
    shutil.rmtree(copy)
    notices("payments", folder / "no-such-store", "that there is no store", "no whole month in")


def finds_the_store():
    """The store is the same wherever Python was started; without a variable it is the project's own."""
    project = NOTEBOOKS.parent
    cases = {"": project / "reports", "some/store": project / "some/store", "/a/store": Path("/a/store")}
    cases["file:///a/store%20of%20ours"] = Path("/a/store of ours")
    code = f"import sys; sys.path.insert(0, {str(NOTEBOOKS)!r}); import store; print(store.FOLDER)"
    command = [sys.executable, "-c", code]
    for named, expected in cases.items():
        for folder in (NOTEBOOKS, project, Path("/")):
            environment = {**os.environ, "REPORT_STORE": named}
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
            if Path(done.stdout.strip()) != expected:
                raise Failed(f"started in {folder} with REPORT_STORE `{named}`, the store is {done.stdout.strip()}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, folder = (Path(argument).resolve() for argument in sys.argv[1:])
    # The notebooks' folder stays as it is.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    if found := list(pair.problems()):
        raise Failed("\n".join([*found, "`python notebooks/pair.py` makes them from their texts again"]))
    finds_the_store()
    subprocess.run([NOTEBOOKS / "demo", program, folder], check=True, stdout=subprocess.DEVNULL)
    store = folder / "demo-store"
    for name in pair.NAMES:
        began = time.monotonic()
        made = execute(name, store)
        render(name, made, folder)
        print(f"{name}: {len(plots(made))} plots, {time.monotonic() - began:.1f} s, {folder / name}.html")
    small = small_store(program, folder)
    on_little(small)
    print("all of them work on a single month, and say what they lack")
    on_wrong(small, store, folder)
    print("they notice a cent too much and a file that was changed")
    report(program, folder / "demo-store.sqlite", store, EMPTY)


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(str(error))
