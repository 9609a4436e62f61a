"""Does the server stay small while many download a large file at once, and does each get it whole?

Usage: downloads.py REPORT_SERVER [--count 1000] [--size-mib 50] [--short]

Each of the downloads begins in the same moment, from an address of its own on loopback. It ends with the right SHA-256,
or is told 503 with Retry-After and comes back then, until it has the file. Any other answer is a fault, and so are 128
MiB of the server's memory. --short is 20 times 5 MiB.
"""

import argparse
import hashlib
import http.client
import os
import statistics
import threading
import time

from measuring import MIB, Failed, Workplace, measured, tell

# A name of the old service, which no manifest has to name.
NAME = "ticketing-report-2001-01.xlsx"

# What a ZIP archive ends with.
END = b"PK\x05\x06" + bytes(18)

MOST_MEMORY_MIB = 128

# All of it must be over by then, in seconds, and no connection may stand still so long.
LONGEST = 1800
STALLED = 120

PIECE = 1 << 18


class Downloads:
    """Threads that download the same file, and what became of them."""

    def __init__(self, port, sha256, size):
        self.port, self.sha256, self.size = port, sha256, size
        self.deadline = time.monotonic() + LONGEST
        self.seconds, self.refused, self.wrong = [], 0, []
        self.lock = threading.Lock()

    def run(self, count):
        # The stack of a thread that does so little.
        threading.stack_size(1 << 18)
        start = threading.Barrier(count)
        threads = [threading.Thread(target=self.one, args=(number, start)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def one(self, number, start):
        # The server limits the requests of each address; these stand for as many people.
        source = (f"127.1.{number // 250}.{number % 250 + 1}", 0)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=STALLED, source_address=source)
        refused = 0
        try:
            connection.connect()
            start.wait(STALLED)
            began = time.monotonic()
            while (wait := self.ask(connection)) is not None:
                refused += 1
                if time.monotonic() + wait > self.deadline:
                    raise Failed(f"after {LONGEST} s still told to come back")
                time.sleep(wait)
            with self.lock:
                self.seconds.append(time.monotonic() - began)
        except (OSError, http.client.HTTPException, threading.BrokenBarrierError, Failed) as error:
            start.abort()
            with self.lock:
                self.wrong.append(f"download {number}: {type(error).__name__}: {error}")
        finally:
            connection.close()
            with self.lock:
                self.refused += refused

    def ask(self, connection):
        """One try: None when the file has come, else the seconds to wait."""
        connection.request("GET", f"/api/k8s/reports/{NAME}", headers={"Host": f"127.0.0.1:{self.port}"})
        answer = connection.getresponse()
        if answer.status == 503:
            answer.read()
            wait = answer.headers.get("Retry-After", "")
            if not wait.isdigit():
                raise Failed(f"503 with Retry-After {wait!r}")
            return int(wait)
        if answer.status != 200:
            raise Failed(f"{answer.status}: {answer.read(300).decode(errors='replace')}")
        digest, length, piece = hashlib.sha256(), 0, bytearray(PIECE)
        while read := answer.readinto(piece):
            length += read
            digest.update(memoryview(piece)[:read])
        if (length, digest.hexdigest()) != (self.size, self.sha256):
            raise Failed(f"{length} bytes with another SHA-256")
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report_server")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--size-mib", type=int, default=50)
    parser.add_argument("--short", action="store_true", help="20 times 5 MiB")
    options = parser.parse_args()
    count, size_mib = (20, 5) if options.short else (options.count, options.size_mib)

    with Workplace(options.report_server, options.report_server) as place:
        place.store.mkdir()
        digest = hashlib.sha256()
        with (place.store / NAME).open("wb") as file:
            # The last of it as in every archive, or it would be no finished workbook.
            for end in [b""] * (size_mib - 1) + [END]:
                digest.update(piece := os.urandom(MIB - len(end)) + end)
                file.write(piece)
        # A few at a time, where there are only a few, so that some have to come back.
        with place.serve(*(["--downloads", "8"] if options.short else [])) as server:
            downloads = Downloads(server.port, digest.hexdigest(), size_mib * MIB)
            before, began = server.cpu_seconds(), time.monotonic()
            downloads.run(count)
            took = time.monotonic() - began
            cpu = server.cpu_seconds() - before
            peak = server.kibibytes("VmHWM") / 1024

    wrong = downloads.wrong[:20]
    if len(downloads.seconds) != count:
        wrong.append(f"{len(downloads.seconds)} of {count} downloads came to a good end")
    if peak >= MOST_MEMORY_MIB:
        wrong.append(f"the server took {peak:.1f} MiB, not less than {MOST_MEMORY_MIB}")
    median = statistics.median(downloads.seconds) if downloads.seconds else None
    figures = {
        "downloads": count, "size_mib": size_mib, "good": len(downloads.seconds),
        "refused_with_retry_after": downloads.refused, "seconds": round(took, 2),
        "median_seconds": median and round(median, 2), "server_cpu_seconds": round(cpu, 2),
        "server_peak_mib": round(peak, 1),
    }
    sentence = (
        f"{count} downloads of {size_mib} MiB at once: {len(downloads.seconds)} with the right SHA-256 after "
        f"{took:.1f} s, {downloads.refused} times told to come back, the server at {peak:.1f} MiB at most"
    )
    tell(figures, sentence, wrong)


measured(main)
