#!/usr/bin/env python3
"""Whether the Kubernetes setup holds together, as far as that can be seen without a cluster.

Usage: check.py [--write] PROGRAM [SERVER]

PROGRAM is the built ticketing-report, SERVER the built report-server. Says what is wrong, a line each, and ends with 1.
With --write it first renews the copies that kustomize needs (see k8s/README.md).
"""

import argparse
import sys
import time
from pathlib import Path

import alerts
import command
import documents
import images
import lints
import manifests
import schedules
import scripts

ROOT = Path(__file__).resolve().parents[3]


def look(root, program, problem, whole=True):
    """All checks of the tree at `root`; without `whole` none that take seconds."""
    sets = manifests.read(root, problem)
    if whole:
        manifests.schemas(sets, problem)
    lints.look(sets, root, problem)
    for where, found in sets.items():
        schedules.look(where, found, problem)
    command.look(sets, program, problem)
    images.look(sets, root, problem, whole)
    alerts.look(root, problem, whole)
    if whole:
        documents.look(sets, root, problem)
    scripts.look(root, problem, whole)
    return sets


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="renew the copies first")
    parser.add_argument("program", type=Path, help="the built ticketing-report")
    parser.add_argument("server", type=Path, nargs="?", help="the built report-server")
    options = parser.parse_args()

    began = time.monotonic()
    problems = []

    def problem(where, what):
        if (line := f"{where}: {what}") not in problems:
            problems.append(line)

    manifests.copies(ROOT, problem, options.write)
    sets = look(ROOT, options.program.resolve(), problem)
    if options.server:
        command.server(sets, options.server.resolve(), problem)
    else:
        print("server: whether it knows its variables has NOT been checked, as it wasn't named")
    for line in problems:
        print(line, file=sys.stderr)
    count = sum(len(found) for found in sets.values())
    print(f"kubernetes: {len(problems) or 'no'} problems in {count} objects from {len(sets)} files and folders, "
          f"against Kubernetes {' and '.join(manifests.VERSIONS)}, in {time.monotonic() - began:.1f} s")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
