"""What do open event streams cost while nothing happens?

Usage: idle.py REPORT_SERVER TICKETING_REPORT [--streams 200] [--seconds 30]

Two months lie in the store. When all streams are open and have been told an event, so that each is known to listen, the
server's CPU time is taken twice. It must be under 1 % of a core between the two.
"""

import argparse
import socket
import time

from measuring import Failed, Workplace, measured, month, tell

MOST_PERCENT = 1.0

# A stream that hears nothing for so long, in seconds, isn't one.
SILENT = 60


def stream(port):
    """A connection that has been answered and listens."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=SILENT)
    connection.sendall(f"GET /api/k8s/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        if not (piece := connection.recv(4096)):
            raise Failed(f"the stream ended: {head.decode(errors='replace')}")
        head += piece
    if not head.startswith(b"HTTP/1.1 200 ") or b"text/event-stream" not in head.lower():
        raise Failed(f"no event stream: {head.decode(errors='replace')}")
    return connection


def heard(connection, what):
    """Reads until an event is told."""
    text = b""
    while what not in text:
        if not (piece := connection.recv(4096)):
            raise Failed(f"the stream ended: {text.decode(errors='replace')}")
        text += piece


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report_server")
    parser.add_argument("ticketing_report")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()

    with Workplace(options.report_server, options.ticketing_report) as place:
        place.demo(tickets=2000)
        place.publish(month(1))
        with place.serve() as server:
            server.get("/readyz")
            streams = [stream(server.port) for _ in range(options.streams)]
            # The store is looked at for their sake, so that all of them hear of an edition that somebody else makes.
            place.publish(month(2))
            for connection in streams:
                heard(connection, b"event: edition")
            before, began = server.cpu_seconds(), time.monotonic()
            time.sleep(options.seconds)
            used, took = server.cpu_seconds() - before, time.monotonic() - began
            memory = server.kibibytes("VmRSS") / 1024
            # All of them must still listen.
            place.publish(month(3))
            for connection in streams:
                heard(connection, b"event: edition")
                connection.close()

    percent = 100 * used / took
    figures = {
        "streams": options.streams, "seconds": round(took, 1), "cpu_seconds": round(used, 2),
        "percent_of_a_core": round(percent, 2), "server_mib": round(memory, 1),
    }
    sentence = f"{options.streams} event streams for {took:.0f} s: {percent:.2f} % of a core, {memory:.1f} MiB"
    tell(figures, sentence, [f"that isn't under {MOST_PERCENT} %"] if percent >= MOST_PERCENT else [])


measured(main)
