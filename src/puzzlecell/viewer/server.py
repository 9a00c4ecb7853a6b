"""A server of the viewer for this machine alone: read only, and only for those who know the address with its token.

Python's `ThreadingHTTPServer` is enough: a few connections of one person, and no dependency. What it lacks is added
here: a limit of connections, a time limit of whole requests, checks of who asks, and headers of security. No path of a
request ever becomes a path of a file: what can be asked for is looked up by name (`Source`).
"""

import errno
import hmac
import io
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from puzzlecell.errors import UserError

ADDRESS = "127.0.0.1"
CONNECTIONS = 32
"""Most connections at a time; a browser opens six."""
REQUEST_S, ANSWER_S = 15.0, 60.0
"""Seconds in which a request has to arrive from its first to its last byte, and those for each part of an answer."""
PART = 1 << 20
"""Bytes of a part of an answer."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # The token is a part of the address, which no other page may learn.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True)
class Content:
    """What is at a path. media: its type, such as `image/webp`. lasting: a browser may keep it for an hour."""

    media: str
    body: bytes
    lasting: bool = False


Source = Callable[[str], Content | None]
"""Returns what is at a path without token, such as `data/run.js`; None: nothing. It is called by several threads."""


class ViewServer(ThreadingHTTPServer):
    """Serves what a source has, at `url`. Raises UserError if the port is taken.

    port: 0 for any free one. request_s: see `REQUEST_S`. connections: see `CONNECTIONS`.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        source: Source,
        port: int = 0,
        *,
        request_s: float = REQUEST_S,
        connections: int = CONNECTIONS,
    ):
        self.source, self.request_s = source, request_s
        self.token, self._opening = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._lock, self._free = threading.Lock(), threading.BoundedSemaphore(connections)
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UserError(
                    f"--port: {port} is used by another program on this machine; choose another, or leave --port out "
                    "to get a free one"
                ) from error
            if error.errno == errno.EACCES:
                raise UserError(
                    f"--port: {port} may not be used without the rights of an administrator; choose one above 1023"
                ) from error
            raise
        # Browsers leave out the port 80.
        ending = "" if self.server_port == 80 else f":{self.server_port}"
        self.hosts = {f"{name}{ending}" for name in (ADDRESS, "localhost")}

    @property
    def url(self) -> str:
        """Address of the first page, with the token."""
        return f"http://{ADDRESS}:{self.server_port}/{self.token}/"

    @property
    def opening_url(self) -> str:
        """Address that leads to `url` once. The arguments of a browser's process can be seen by others."""
        return f"http://{ADDRESS}:{self.server_port}/{self._opening}/"

    def opens(self, token: str) -> bool:
        """Whether this is the token of `opening_url`, which is used up thereby."""
        with self._lock:
            if not same(token, self._opening):
                return False
            self._opening = secrets.token_urlsafe(24)
            return True

    def server_bind(self) -> None:
        """Bind without looking up the name of this machine, which can take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, or refuse if there are too many connections."""
        if not self._free.acquire(blocking=False):
            try:
                request.settimeout(1)
                request.sendall(
                    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                )
            except OSError:
                # It has gone.
                pass
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            # No thread has begun.
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer the requests of a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show errors on the terminal, except that a browser has closed the connection."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def same(one: str, other: str) -> bool:
    """Whether two tokens are equal; how long that takes says nothing of where they differ."""
    return hmac.compare_digest(one.encode("latin-1"), other.encode("latin-1"))


class _Limited(io.RawIOBase):
    """What arrives at a socket until a deadline; later reads raise TimeoutError."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self.connection.settimeout(left)
        return self.connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ViewServer

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._arriving = _Limited(self.connection)
        self.rfile = io.BufferedReader(self._arriving)

    def handle_one_request(self) -> None:
        self._arriving.deadline = time.monotonic() + self.server.request_s
        super().handle_one_request()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._other_method
        raise AttributeError(name)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _other_method(self) -> None:
        # What comes with it is not read.
        self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "this server is read only", close=True, Allow="GET, HEAD")

    def _answer(self, *, with_body: bool) -> None:
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0] not in self.server.hosts:
            # A page of the network whose name leads to this machine (DNS rebinding) has another host.
            expected = " or ".join(sorted(self.server.hosts))
            return self._refuse(
                HTTPStatus.FORBIDDEN, f"the host of the address has to be {expected}", close=True
            )
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            return self._refuse(HTTPStatus.BAD_REQUEST, "expected a request without content", close=True)
        token, slash, rest = self.path.partition("?")[0].removeprefix("/").partition("/")
        if with_body and self.server.opens(token):
            return self._refuse(HTTPStatus.FOUND, "", Location=f"/{self.server.token}/")
        if not same(token, self.server.token):
            return self._refuse(
                HTTPStatus.FORBIDDEN, "use the address that `puzzlecell view --serve` has printed"
            )
        if not slash:
            return self._refuse(HTTPStatus.FOUND, "", Location=f"/{token}/")
        try:
            found = self.server.source(unquote(rest, errors="strict") or "index.html")
        except UnicodeDecodeError:
            found = None
        except UserError as error:
            print(f"puzzlecell: {error}", file=sys.stderr, flush=True)
            return self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        except Exception:
            # Whoever asked gets an answer, and the terminal says what it was.
            self._refuse(
                HTTPStatus.INTERNAL_SERVER_ERROR, "this cannot be shown; the terminal says why", close=True
            )
            raise
        if found is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "there is nothing at this address")
        self._send(HTTPStatus.OK, found, with_body=with_body)
        return None

    def _refuse(self, status: HTTPStatus, text: str, *, close: bool = False, **headers: str) -> None:
        self.close_connection |= close
        self._send(
            status,
            Content("text/plain; charset=utf-8", f"{text}\n".encode()),
            with_body=self.command != "HEAD",
            headers=headers,
        )

    def _send(
        self, status: HTTPStatus, content: Content, *, with_body: bool, headers: dict[str, str] | None = None
    ) -> None:
        self.connection.settimeout(ANSWER_S)
        self.send_response(status)
        self.send_header("Content-Type", content.media)
        self.send_header("Content-Length", str(len(content.body)))
        self.send_header("Cache-Control", "private, max-age=3600" if content.lasting else "no-store")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if with_body:
            # Set again for each part: the limit covers the whole part, not each write to the socket.
            for start in range(0, len(content.body), PART):
                self.connection.settimeout(ANSWER_S)
                self.wfile.write(content.body[start : start + PART])

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def version_string(self) -> str:
        return "puzzlecell"

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing: addresses contain the token."""
