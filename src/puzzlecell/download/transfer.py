"""Fetching single files over HTTP: resumed, retried, checked, and moved into place when they are whole."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from puzzlecell import __version__
from puzzlecell.errors import UserError

log = logging.getLogger(__name__)

CHUNK = 2**16
LONGEST_WAIT_S = 600.0
AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses after which the same request may succeed."""


class TransferError(UserError):
    """A file could not be fetched; the message says why."""


class StoppedError(Exception):
    """The download as a whole is over."""


class _AttemptError(Exception):
    """This attempt failed; wait_s: how long the server asks to wait."""

    def __init__(self, why: str, wait_s: float | None = None):
        super().__init__(why)
        self.wait_s = wait_s


@dataclass
class Fetcher:
    """Fetches files one after the other over one connection per server; one fetcher per thread.

    check: returns what is wrong with a complete file, or None. stop: ends all waiting. wait: waits for some seconds, or
    until `stop` is set.
    """

    attempts: int
    wait_s: float
    timeout_s: float
    check: Callable[[Path], str | None]
    stop: threading.Event = field(default_factory=threading.Event)
    wait: Callable[[float], object] | None = None
    session: requests.Session = field(default_factory=requests.Session)

    def fetch(self, url: str, path: Path) -> None:
        """Fetch a file, unless it is there.

        A file that was begun is continued if the server says that it is still the same (ETag or Last-Modified) and
        sends the rest. Raises TransferError if all attempts fail, at once for statuses such as 404, and StoppedError.
        """
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        for attempt in range(1, self.attempts + 1):
            try:
                self._attempt(url, part)
                problem = self.check(part)
                if problem is None:
                    _version(part).unlink(missing_ok=True)
                    part.replace(path)
                    return
                part.unlink()
                raise _AttemptError(problem)
            except (_AttemptError, requests.RequestException, HTTPError) as error:
                reason = _reason(error)
                if attempt == self.attempts:
                    raise TransferError(f"{reason} ({attempt} attempt{'s' * (attempt > 1)})") from error
                asked = getattr(error, "wait_s", None)
                seconds = self.wait_s * 2 ** (attempt - 1) if asked is None else asked
                log.info("%s: %s; again in %.3g s", url, reason, min(seconds, LONGEST_WAIT_S))
                (self.wait or self.stop.wait)(min(seconds, LONGEST_WAIT_S))
                if self.stop.is_set():
                    raise StoppedError from error

    def _attempt(self, url: str, part: Path) -> None:
        """Fetch the rest of a file into `part`, which is whole afterwards."""
        version = _version(part)
        known = version.read_text() if version.exists() and part.exists() else ""
        begun = part.stat().st_size if known else 0
        headers = {"Accept-Encoding": "identity", "User-Agent": f"puzzlecell/{__version__}"}
        if begun:
            headers |= {"Range": f"bytes={begun}-", "If-Range": known}
        with self.session.get(url, headers=headers, stream=True, timeout=self.timeout_s) as response:
            status = response.status_code
            if status == 416:
                version.unlink(missing_ok=True)
                raise _AttemptError("the server has less of the file than is here; beginning again")
            if status in AGAIN:
                raise _AttemptError(f"HTTP status {status} {response.reason}", _asked_wait(response))
            if status not in (200, 206):
                raise TransferError(f"HTTP status {status} {response.reason}")
            sent = response.headers.get("Content-Length")
            start = 0
            if status == 206:
                content_range = response.headers.get("Content-Range", "")
                if not content_range.startswith(f"bytes {begun}-"):
                    version.unlink(missing_ok=True)
                    raise _AttemptError(f"the server sent another part of the file ({content_range!r})")
                start = begun
            else:
                version.write_text(_validator(response))
            with part.open("r+b" if start else "wb") as file:
                file.seek(start)
                file.truncate()
                while chunk := response.raw.read(CHUNK, decode_content=False):
                    file.write(chunk)
                    if self.stop.is_set():
                        raise StoppedError
                size = file.tell() - start
        if sent is not None and str(size) != sent.strip():
            raise _AttemptError(f"the connection ended after {size} of {sent} bytes")


def _version(part: Path) -> Path:
    """File beside a part that says of which version of the file it is."""
    return part.with_name(f"{part.name}.version")


def _validator(response: requests.Response) -> str:
    """What a server can compare a file with: a strong ETag, else the time of its last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _asked_wait(response: requests.Response) -> float | None:
    """Seconds of the header Retry-After, which holds a number or a date."""
    text = response.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, _AttemptError):
        return str(error)
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    # Of the errors inside each other, the one that says what happened.
    cause = getattr(error.args[0] if error.args else error, "reason", error)
    return f"the connection failed: {' '.join(str(cause).split())}"
