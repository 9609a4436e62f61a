"""Sends every request of requests.http, and sees that each gets the status written above it.

Usage: requests_http.py REPORT_SERVER TICKETING_REPORT    over a demo, with a server of its own
       requests_http.py HOST TOKEN                        to a server that runs; TOKEN is an operator's

Every operation of the server's OpenAPI document must be called, and nothing of the API that isn't in it. Ends with 1
and what isn't as it should be.
"""

import http.client
import json
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from serving import LONGEST, Failed, Workplace, month

FILE = Path(__file__).resolve().parents[3] / "requests.http"

# Waits until the test is over, so that a job is under way when it is cancelled.
WAITS = '#!/bin/sh\nwhile [ -e "$0" ]; do sleep 0.1; done\n'


class Request:
    """A request of the file, with its variables unfilled."""

    def __init__(self, title, lines):
        self.title, self.statuses = title, []
        lines = [line.rstrip() for line in lines]
        while lines and (not lines[0] or lines[0].startswith(("#", "//", "@"))):
            if found := re.fullmatch(r"# (\d{3}(?: or \d{3})*)", line := lines.pop(0)):
                self.statuses = [int(status) for status in found.group(1).split(" or ")]
            elif line.startswith("# "):
                raise Failed(f"{FILE.name}: {title!r}: what is to be read stands behind ###, not in `{line}`")
        if not lines:
            raise Failed(f"{FILE.name}: {title!r} has no request")
        if not self.statuses:
            raise Failed(f"{FILE.name}: {title!r}: the status is missing, a line `# 200` above the request")
        self.method, self.address = lines[0].split(" ")
        end = lines.index("") if "" in lines else len(lines)
        self.headers = dict(line.split(": ", 1) for line in lines[1:end])
        if any(lines[end:]):
            raise Failed(f"{FILE.name}: {title!r} has a body, which nothing here sends")


def parse(text):
    """The file's variables, and its requests."""
    head, *parts = re.split(r"^###(.*)\n", text, flags=re.M)
    variables = dict(re.findall(r"^@(\w+) = (.+)$", head, flags=re.M))
    requests = [Request(title.strip(), part.splitlines()) for title, part in zip(parts[::2], parts[1::2])]
    return variables, requests


def fill(text, variables):
    for name in re.findall(r"\{\{(.+?)\}\}", text):
        if name not in variables:
            raise Failed(f"{FILE.name} has no variable {name}")
        text = text.replace("{{" + name + "}}", variables[name])
    return text


def send(method, address, headers):
    """An answer: its status, and its body unless that never ends."""
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.netloc, timeout=LONGEST)
    try:
        connection.request(method, url.path + (f"?{url.query}" if url.query else ""), headers=headers)
        answer = connection.getresponse()
        return answer.status, b"" if answer.headers.get_content_type() == "text/event-stream" else answer.read()
    finally:
        connection.close()


def known(host, token):
    """What the variables stand for on this server, and the operations of its API."""
    def ask(path):
        status, body = send("GET", host + path, {"Authorization": f"Bearer {token}"})
        if status != 200:
            raise Failed(f"GET {path}: {status} {body.decode(errors='replace')}")
        return json.loads(body)

    periods = [snapshot["period"] for snapshot in ask("/api/k8s/snapshots")["snapshots"]]
    months = [period for period in periods if re.fullmatch(r"\d{4}-\d\d", period)]
    if not months:
        raise Failed(f"{host} has no month: publish one first")
    paths = ask("/api/openapi.json")["paths"]
    operations = {f"{method.upper()} {path}" for path, of in paths.items() for method in of if method != "parameters"}
    return {"month": months[-1], "report": f"ticketing-report-{months[-1]}.xlsx"}, operations


def operation(operations, method, path):
    """That which a request calls. A path without parameters goes before one with."""
    method = "GET" if method == "HEAD" else method
    for name in sorted(operations, key=lambda name: name.count("{")):
        of, _, template = name.partition(" ")
        if of == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return name
    return None


def check(host, token, first_only):
    """With `first_only` where several statuses are right, it must be the first."""
    variables, requests = parse(FILE.read_text(encoding="utf-8"))
    for name in ("host", "token", "month", "report", "job"):
        if name not in variables:
            raise Failed(f"{FILE.name} doesn't set @{name}")
    of_server, operations = known(host, token)
    variables |= of_server | {"host": host, "token": token}
    wrong, called = [], set()
    for request in requests:
        address = fill(request.address, variables)
        status, body = send(request.method, address, {k: fill(v, variables) for k, v in request.headers.items()})
        if status not in (request.statuses[:1] if first_only else request.statuses):
            told = body[:300].decode(errors="replace")
            wrong.append(f"{request.title!r}: {request.method} {address}: {status}, not {request.statuses}: {told}")
        if request.method == "POST" and status == 200:
            # What only says what it would do has started none.
            variables["job"] = json.loads(body).get("jobName", variables["job"])
        path = urlsplit(address).path
        if found := operation(operations, request.method, path):
            called.add(found)
        elif path.startswith("/api/"):
            wrong.append(f"{request.title!r}: the API has no {request.method} {path}")
    wrong += [f"no request calls {missing}" for missing in sorted(operations - called)]
    if wrong:
        raise Failed("\n".join(wrong))
    print(f"{len(requests)} requests as written, {len(called)} operations, none missing")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        if sys.argv[1].startswith("http://"):
            return check(sys.argv[1].rstrip("/"), sys.argv[2], False)
        with Workplace(*sys.argv[1:]) as place:
            place.demo(tickets=2000)
            place.publish(month(1))
            token = place.tokens(anna="operator")["anna"]
            command = place.command(WAITS)
            with place.serve("--tokens", place.folder / "tokens", "--report-command", command) as server:
                check(server.url, token, True)
    except (Failed, OSError) as failed:
        sys.exit(str(failed))


main()
