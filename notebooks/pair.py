"""Makes each notebook's .ipynb from its text, without outputs, always in the same way.

Usage: pair.py [--check]

With --check it writes nothing, says which pairs differ, and ends with 1 if there are any.
"""

import os
import sys
from pathlib import Path

import jupytext
import nbformat

HERE = Path(__file__).resolve().parent
NAMES = ["first_look", "revenue", "demand", "payments", "changes"]


def notebook(name):
    """The notebook that the text stands for."""
    made = jupytext.read(HERE / f"{name}.py", fmt="py:percent")
    made.metadata = nbformat.from_dict({
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    })
    made.nbformat, made.nbformat_minor = 4, 5
    for number, cell in enumerate(made.cells):
        # Jupyter would draw them by lot, and each time the file would be another one.
        cell.id = f"{name}-{number}"
        cell.metadata = nbformat.from_dict({})
    return made


def text(made):
    """How it is written."""
    return nbformat.writes(made, indent=1) + "\n"


def sources(made):
    return [(cell.cell_type, cell.source) for cell in made.cells]


def problems():
    """What isn't as its text says."""
    for name in NAMES:
        path, made = HERE / f"{name}.ipynb", notebook(name)
        if not path.exists():
            yield f"{path.name} is missing"
        elif path.read_text(encoding="utf-8") != text(made):
            found = nbformat.read(path, as_version=4)
            other = "has other cells than" if sources(found) != sources(made) else "holds outputs or settings beside"
            yield f"{path.name} {other} {name}.py"


def write():
    for name in NAMES:
        path, pair = HERE / f"{name}.ipynb", HERE / f"{name}.py"
        made = notebook(name)
        if path.exists() and path.stat().st_mtime > pair.stat().st_mtime:
            if sources(nbformat.read(path, as_version=4)) != sources(made):
                sys.exit(
                    f"{path.name} was changed after {pair.name}: take its changes over with"
                    f" `jupytext --to py:percent {path.name}`, or remove it, and try again"
                )
        path.write_text(text(made), encoding="utf-8")
        # Jupytext refuses a pair whose notebook is newer than its text.
        os.utime(path, ns=(pair.stat().st_mtime_ns, pair.stat().st_mtime_ns))


def main():
    if sys.argv[1:] == ["--check"]:
        if found := list(problems()):
            sys.exit("\n".join([*found, "`python notebooks/pair.py` makes them from their texts again"]))
    elif not sys.argv[1:]:
        write()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
