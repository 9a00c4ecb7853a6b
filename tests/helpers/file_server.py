"""A local HTTP server of files that fails as told: statuses, dropped connections, short files."""

import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves `files` (path -> content) at `url`; what happens to a request may be told by `faults`.

    faults: path -> faults of its first requests, in turn. A number is a status; (number, header value) a status with
    Retry-After; "drop" ends the connection in the middle of the body, "short" sends half of the file as if it were all
    of it, "html" a page in its place, "changed" serves another content from then on. ranges: whether `Range` is
    answered. requests: paths in the order of the requests, with the header Range or "". most: the largest number of
    requests at the same time.
    """

    def __init__(self, files: dict[str, bytes]):
        self.files, self.faults = files, {}
        self.ranges, self.requests, self.most = True, [], 0
        self.before: Callable[[str], None] = lambda path: None
        self._busy, self._lock = 0, threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def counts(self) -> Counter:
        return Counter(path for path, _ in self.requests)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(outer):  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args) -> None:
                pass

            def do_GET(self) -> None:
                with outer._lock:
                    outer._busy += 1
                    outer.most = max(outer.most, outer._busy)
                    outer.requests.append((self.path, self.headers.get("Range", "")))
                    faults = outer.faults.get(self.path, [])
                    fault = faults.pop(0) if faults else None
                try:
                    outer.before(self.path)
                    self.answer(fault)
                finally:
                    with outer._lock:
                        outer._busy -= 1

            def answer(self, fault) -> None:
                if self.path not in outer.files and fault is None:
                    fault = 404
                status, wait = fault if isinstance(fault, tuple) else (fault, None)
                if isinstance(status, int):
                    self.send_response(status)
                    if wait is not None:
                        self.send_header("Retry-After", wait)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if fault == "changed":
                    outer.files[self.path] = outer.files[self.path][::-1]
                content = b"<html>Sorry</html>" if fault == "html" else outer.files[self.path]
                tag = f'"{hash(content)}"'
                start = 0
                asked = self.headers.get("Range")
                if outer.ranges and asked and self.headers.get("If-Range") == tag:
                    start = int(asked.removeprefix("bytes=").rstrip("-"))
                body = content[start:]
                if fault == "short":
                    body = body[: len(body) // 2]
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                self.send_header("ETag", tag)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if fault == "drop":
                    self.wfile.write(body[: len(body) // 2])
                    self.wfile.flush()
                    self.close_connection = True
                    return
                self.wfile.write(body)

        return Handler
