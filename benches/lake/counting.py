"""Stands between a reader and a server, and counts what the reader takes."""

import http.client
import http.server
import threading


class Counting:
    """A proxy on a port that was free; `taken` has the bytes of all bodies so far."""

    def __init__(self, port):
        self.upstream, self.taken, self.lock = port, 0, threading.Lock()

    def __enter__(self):
        counting = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                counting.pass_on(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def pass_on(self, handler):
        """One request and its answer. What breaks off isn't told to anybody: the reader fails, and that is seen."""
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        try:
            kept = {name: value for name, value in handler.headers.items() if name.lower() not in ("host", "connection")}
            connection.request(handler.command, handler.path, headers=kept)
            answer = connection.getresponse()
            body = answer.read()
            handler.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding"):
                    handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)
        finally:
            connection.close()
        with self.lock:
            self.taken += len(body)
