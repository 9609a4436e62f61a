"""Lets schemathesis look for answers of the server that its OpenAPI document doesn't promise.

Usage: conformance.py REPORT_SERVER TICKETING_REPORT

It sends some thousand requests, right ones and wrong ones, to every operation; the same ones each time. Reports are
asked for too, but the report command is one that has nothing to do. So that it is seen to look, it must then find what
is missing in a document from which an answer was taken out. Ends with 1 and what was found, each with the request that
shows it again.
"""

import collections
import json
import os
import re
import string
import subprocess
import sys
import urllib.request
from pathlib import Path

from serving import Failed, Workplace, environment, month, until

CONFIG = Path(__file__).with_suffix(".toml")

# No run may take longer, in seconds.
LONGEST = 90

DOES_NOTHING = "#!/bin/sh\n"


def program():
    """Where tests/prepare puts it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = cache / "ticketing-report" / "schemathesis" / "bin" / "schemathesis"
    if not found.is_file():
        raise Failed(f"{found} is missing: run tests/prepare")
    return found


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def by_hand(document):
    """What schemathesis doesn't look at."""
    ids = collections.Counter(operation.get("operationId") for _, operation in operations(document))
    for id_, count in ids.items():
        if count > 1:
            yield f"{count} operations have the id `{id_}`, so that programs made from the document mix them up"
    for name, operation in operations(document):
        is_public = operation.get("security", document.get("security")) in ([], [{}])
        missing = [status for status in ("401", "403") if status not in operation["responses"]]
        if missing and not is_public:
            yield f"{name} doesn't say that it may answer {' and '.join(missing)}"


class Search:
    """What schemathesis finds in a server whose document is as given."""

    def __init__(self, place, url, values, document, *arguments):
        path, config = place.folder / "openapi.json", place.folder / "conformance.toml"
        path.write_text(json.dumps(document), encoding="utf-8")
        config.write_text(string.Template(CONFIG.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
        command = [program(), "--config-file", config, "run", path, "--url", url, *arguments]
        try:
            done = subprocess.run(
                command, cwd=place.folder, env=environment(), capture_output=True, text=True, timeout=LONGEST,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"schemathesis hasn't ended after {LONGEST} s") from None
        self.said, self.failed = done.stdout + done.stderr, done.returncode != 0

    def number(self, pattern):
        found = re.search(pattern, self.said)
        return int(found.group(1)) if found else 0


def job(server, headers):
    """The name of a job that is over."""
    address = f"{server.url}/api/k8s/jobs/ticketing-report/previous-month"
    with urllib.request.urlopen(urllib.request.Request(address, method="POST", headers=headers)) as answer:
        name = json.load(answer)["jobName"]
    until(f"the end of {name}", lambda: b"completionTime" in server.get(f"/api/k8s/jobs/{name}", **headers))
    return name


def look(place):
    place.demo(tickets=2000)
    place.publish(month(1))
    token = place.tokens(anna="operator")["anna"]
    # Requests come faster than one person's may, which isn't what is looked at here.
    arguments = ["--tokens", place.folder / "tokens", "--rate", "100000"]
    with place.serve(*arguments, "--report-command", place.command(DOES_NOTHING)) as server:
        own = {"Authorization": f"Bearer {token}"}
        document = json.loads(server.get("/api/openapi.json", **own))
        values = {"token": token, "month": month(1), "job": job(server, own)}

        wrong = list(by_hand(document))
        found = Search(place, server.url, values, document)
        all_ = sum(1 for _ in operations(document))
        sent = found.number(r"(\d+) generated")
        if found.failed:
            wrong.append(found.said)
        elif found.number(r"Tested: (\d+)") != all_ or sent < 50 * all_:
            wrong.append(f"schemathesis hasn't looked at all {all_} operations\n{found.said}")

        del document["paths"]["/api/k8s/jobs/{name}"]["get"]["responses"]["404"]
        only = ["--include-path=/api/k8s/jobs/{name}", "--phases=coverage"]
        spoiled = Search(place, server.url, values, document, *only)
        if not spoiled.failed or "Undocumented status code" not in spoiled.said:
            wrong.append(f"schemathesis doesn't find an answer that the document lacks\n{spoiled.said}")
    if wrong:
        raise Failed("\n".join(wrong))
    print(f"{sent} requests to {all_} operations: every answer is as the document says")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        with Workplace(*sys.argv[1:]) as place:
            look(place)
    except (Failed, OSError) as failed:
        sys.exit(str(failed))


if __name__ == "__main__":
    main()
