"""The server of the viewer, attacked through plain sockets."""

import re
import socket
import threading
from contextlib import contextmanager

import pytest

from puzzlecell.errors import DamagedFileError, UserError
from puzzlecell.viewer.server import Content, ViewServer

PAGE = Content("text/html; charset=utf-8", b"<!doctype html><title>cells</title>")
PICTURE = Content("image/webp", bytes(range(256)) * 40, lasting=True)
THERE = {"index.html": PAGE, "data/test/000/sheet-0000.webp": PICTURE}


@contextmanager
def serving(source=THERE.get, **options):
    with ViewServer(source, **options) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server():
    asked = []

    def source(path):
        asked.append(path)
        return THERE.get(path)

    with serving(source) as running:
        running.asked = asked
        yield running


def connect(server):
    return socket.create_connection(("127.0.0.1", server.server_port), timeout=10)


def answer(server, request):
    """Status, headers and body of the answer to the bytes of a request."""
    with connect(server) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    return parsed(received)


def parsed(received):
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return (
        int(first.split()[1]),
        {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)},
        body,
    )


def request(server, path="", *, method="GET", host=None, token=None, extra=""):
    host = f"127.0.0.1:{server.server_port}" if host is None else host
    token = server.token if token is None else token
    return f"{method} /{token}/{path} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n".encode("latin-1")


def test_a_page_comes_with_its_type_and_the_headers_of_security(server):
    status, headers, body = answer(server, request(server))
    assert (status, body) == (200, PAGE.body)
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert not [name for name in headers if name.startswith("access-control")]
    assert headers["cache-control"] == "no-store"
    assert headers["server"] == "puzzlecell"


def test_a_picture_may_be_kept_by_the_browser(server):
    status, headers, body = answer(server, request(server, "data/test/000/sheet-0000.webp?x=1"))
    assert (status, body, headers["content-type"]) == (200, PICTURE.body, "image/webp")
    assert headers["cache-control"] == "private, max-age=3600"


def test_head_has_no_body(server):
    status, headers, body = answer(server, request(server, method="HEAD"))
    assert (status, body, headers["content-length"]) == (200, b"", str(len(PAGE.body)))
    assert answer(server, request(server, "nothing", method="HEAD"))[2] == b""


def test_several_requests_share_a_connection(server):
    with connect(server) as connection:
        connection.sendall(request(server) * 3)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert received.count(PAGE.body) == received.count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize(
    "token", ["", "x", "é", "%00", "index.html", "..", "{}x", "{}%20", "%2e", "http://127.0.0.1"]
)
def test_without_the_token_nothing_is_looked_up(server, token):
    before = len(server.asked)
    given = token.format(server.token)
    for path in ("", "index.html"):
        status, _, body = answer(server, request(server, path, token=given))
        assert status == 403
        assert PAGE.body not in body
        assert server.token.encode() not in body
    # The right one in another case is another one.
    assert answer(server, request(server, token=server.token.swapcase()))[0] == 403
    assert len(server.asked) == before


def test_the_token_alone_leads_to_the_page(server):
    raw = f"GET /{server.token} HTTP/1.1\r\nHost: localhost:{server.server_port}\r\n\r\n".encode()
    status, headers, _ = answer(server, raw)
    assert (status, headers["location"]) == (302, f"/{server.token}/")


def test_the_address_for_the_browser_leads_to_the_page_once(server):
    before = len(server.asked)
    once = server.opening_url.split("/")[3]
    assert server.token not in server.opening_url
    assert answer(server, request(server, token=once, host="evil.example"))[0] == 403
    assert answer(server, request(server, token=once, method="HEAD"))[0] == 403
    status, headers, _ = answer(server, request(server, token=once))
    assert (status, headers["location"]) == (302, f"/{server.token}/")
    assert answer(server, request(server, token=once))[0] == 403
    assert len(server.asked) == before


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "evil.example",
            "evil.example:{port}",
            "127.0.0.1",
            "127.0.0.1:1",
            "127.0.0.1:{port}.evil.example",
        ),
        *(
            "127.0.0.1:{port}@evil.example",
            "[::1]:{port}",
            "127.0.0.1:{port}, evil.example",
            "0.0.0.0:{port}",
        ),
    ],
)
def test_another_host_is_refused(server, host):
    before = len(server.asked)
    assert answer(server, request(server, host=host.format(port=server.server_port)))[0] == 403
    assert len(server.asked) == before


@pytest.mark.parametrize("extra", ["Host: evil.example\r\n", "Host: 127.0.0.1:{port}\r\n"])
def test_two_hosts_are_refused(server, extra):
    assert answer(server, request(server, extra=extra.format(port=server.server_port)))[0] == 403


def test_a_request_without_host_is_refused(server):
    for version in (" HTTP/1.1", " HTTP/1.0", ""):
        raw = f"GET /{server.token}/{version}\r\n\r\n".encode()
        with connect(server) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert PAGE.body not in received
        assert b"host" in received


def test_localhost_is_this_machine_too(server):
    assert answer(server, request(server, host=f"localhost:{server.server_port}"))[0] == 200


@pytest.mark.parametrize(
    "method",
    ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "FOO", "__init__"],
)
def test_other_methods_are_refused(server, method):
    before = len(server.asked)
    status, headers, _ = answer(server, request(server, method=method))
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert headers["connection"] == "close"
    assert len(server.asked) == before


@pytest.mark.parametrize("extra", ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"])
def test_a_request_with_content_is_refused(server, extra):
    status, headers, _ = answer(server, request(server, extra=extra))
    assert (status, headers["connection"]) == (400, "close")


TRICKS = [
    "../index.html",
    "..",
    ".",
    "./index.html",
    "//index.html",
    "%2e%2e/index.html",
    "%2e%2e%2findex.html",
    "%252e%252e%252findex.html",
    "..%5c..%5cetc%5cpasswd",
    "..\\..\\etc\\passwd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "index.html%00",
    "index.html%00.webp",
    "index.html/",
    "index.html/.",
    "index.html/../index.html",
    "%FF",
    "\xff",
    "index.html%0d%0aX:1",
    "INDEX.HTML",
    "data",
    "data/",
    "data/test/000/",
    "data/test/000/..%2f..%2f..%2findex.html",
    "file:///etc/passwd",
    "C:/index.html",
    "~root",
    "index.html;x",
    "index.html#x",
]


@pytest.mark.parametrize("path", TRICKS)
def test_path_tricks_find_nothing(server, path):
    status, headers, body = answer(server, request(server, path))
    assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert "x" not in headers
    assert PAGE.body not in body


@pytest.mark.parametrize(
    "raw", ["\r\n\r\n", "GET\r\n\r\n", "GET / / /\r\n\r\n", "\x00\x01\x02\r\n\r\n", "GET / HTTP/9\r\n\r\n"]
)
def test_what_is_no_request_is_refused(server, raw):
    with connect(server) as connection:
        connection.sendall(raw.encode())
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert not re.search(rb"HTTP/1.1 2\d\d", received)
    assert PAGE.body not in received


def test_endless_lines_and_headers_are_refused(server):
    assert answer(server, b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n")[0] == 414
    many = "".join(f"X-{number}: 1\r\n" for number in range(200))
    assert answer(server, request(server, extra=many))[0] == 431


def test_only_this_machine_can_connect(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/{server.token}/"
    assert len(server.token) >= 32


def test_each_server_has_a_token_of_its_own():
    with ViewServer(THERE.get) as one, ViewServer(THERE.get) as other:
        assert one.token != other.token


def test_slow_requests_end_and_the_others_go_on():
    with serving(request_s=0.3) as server, connect(server) as slow, connect(server) as silent:
        slow.sendall(request(server)[:-3])
        received = []
        # It sends a byte again and again: the limit is that of the whole request.
        with pytest.raises(OSError, match="reset|pipe"):
            for _ in range(200):
                slow.settimeout(0.02)
                try:
                    if (part := slow.recv(100)) == b"":
                        raise ConnectionResetError("reset")
                    received.append(part)
                except TimeoutError:
                    slow.sendall(b"a")
        assert received == []
        assert silent.recv(10) == b""
        assert answer(server, request(server))[0] == 200


def test_connections_are_limited():
    with serving(connections=2) as server:
        with connect(server) as one, connect(server) as two:
            for connection in (one, two):
                connection.sendall(request(server))
                assert connection.recv(12) == b"HTTP/1.1 200"
            with connect(server) as third:
                assert third.recv(100).startswith(b"HTTP/1.1 503")
        for _ in range(200):
            with connect(server) as again:
                again.sendall(request(server))
                if again.recv(12) == b"HTTP/1.1 200":
                    break
        else:
            pytest.fail("the places of closed connections are not free again")


def test_damaged_results_are_an_error_with_the_file(capsys):
    def damaged(path):
        raise DamagedFileError("results/store/test/000.h5", "it is empty")

    with serving(damaged) as server:
        status, _, body = answer(server, request(server))
    assert status == 500
    assert b"results/store/test/000.h5" in body
    assert "results/store/test/000.h5" in capsys.readouterr().err


def test_an_error_that_nobody_thought_of_is_answered_and_shown_on_the_terminal(capsys):
    def broken(path):
        raise ZeroDivisionError("secret of the program")

    with serving(broken) as server:
        status, headers, body = answer(server, request(server))
    assert (status, body) == (500, b"this cannot be shown; the terminal says why\n")
    assert headers["connection"] == "close"
    assert "secret of the program" in capsys.readouterr().err


def test_a_taken_port_says_what_to_do(server):
    with pytest.raises(UserError, match=rf"--port: {server.server_port} is used .* leave --port out"):
        ViewServer(THERE.get, server.server_port)
