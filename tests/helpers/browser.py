"""Chromium without network, and the pages of a view in it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
LAPTOP, DESKTOP = {"width": 1366, "height": 768}, {"width": 1920, "height": 1080}
ALLOWED = ("file:", "data:", "blob:", "about:")
SETTLED = "#page[data-ready]"
GO = "place => { delete document.getElementById('page').dataset.ready; location.hash = place }"


class BrowserError(RuntimeError):
    """No browser can be installed; the message says why."""


def chromium() -> str | None:
    """Path of Chromium, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


def install() -> str | None:
    """Install Chromium with apt-get if it is missing; return why no browser can be started here, or None.

    Raises BrowserError if apt-get fails: a machine that has it can have Chromium, too.
    """
    if chromium() is None and os.getuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for step in ("update", "install -y --no-install-recommends chromium"):
            done = subprocess.run(
                ["apt-get", *step.split()],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if done.returncode:
                raise BrowserError(f"apt-get {step} failed:\n{done.stdout[-2000:]}")
    return None if chromium() else "no Chromium (Debian's package chromium) is installed"


@contextmanager
def started(*arguments: str) -> Iterator[Browser]:
    """Chromium without a window; it resolves no host names."""
    # Its debugging socket on 127.0.0.1 needs no names.
    offline = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            args=[*offline, *arguments],
            # The sandbox does not work for root.
            chromium_sandbox=os.getuid() != 0,
        )
        try:
            yield browser
        finally:
            browser.close()


class Viewer:
    """A view folder in a tab of the browser.

    page: the tab, for everything that Playwright can do. problems: what went wrong so far: errors on the console,
    errors of scripts, requests that failed or that were for something else than files.
    """

    def __init__(self, context: BrowserContext, folder: Path):
        self.context, self.folder = context, Path(folder)
        self.problems: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("request", self._on_request)
        self.page.on("requestfailed", self._on_failure)

    def _on_console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type} on the console: {message.text}")

    def _on_request(self, request) -> None:
        if not request.url.startswith(ALLOWED):
            self.problems.append(f"request: {request.url}")

    def _on_failure(self, request) -> None:
        # A picture that is no longer needed.
        if request.failure != "net::ERR_ABORTED":
            self.problems.append(f"failed: {request.url} ({request.failure})")

    def open(self, place: str = "/") -> Page:
        """Go to a page and state, such as `/gallery?class=3`, and wait until it says that it is ready or failed.

        (The pages forbid evaluating texts, so `page.wait_for_function` with an expression does not work in them.)

        The first call loads the view from disk, further ones change the address.
        """
        address = f"file://{self.folder}/index.html"
        if self.page.url == f"{address}#{place}":
            return self.reload()
        if self.page.url.startswith(address):
            # The page before this one was ready, too.
            self.page.evaluate(GO, place)
        else:
            self.page.goto(f"{address}#{place}")
        self.page.wait_for_selector(SETTLED, state="attached")
        return self.page

    def reload(self) -> Page:
        """Load the same address again."""
        self.page.reload()
        self.page.wait_for_selector(SETTLED, state="attached")
        return self.page

    def shot(self, name: str) -> None:
        """Keep a picture of what is seen now as `$SCREENSHOTS/<name>.png`, if that is set."""
        folder = os.environ.get("SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png")

    def forgive(self, *texts: str) -> None:
        """Drop the problems in which one of the texts occurs; there must be some."""
        kept = [problem for problem in self.problems if not any(text in problem for text in texts)]
        assert len(kept) < len(self.problems), f"expected problems with {texts}, found {self.problems}"
        self.problems = kept


@contextmanager
def viewing(browser: Browser, folder: Path, **options) -> Iterator[Viewer]:
    """A view folder in a new tab of its own; options: those of Playwright's `new_context`."""
    context = browser.new_context(
        **{"viewport": LAPTOP, "offline": True, "accept_downloads": True, **options}
    )
    try:
        yield Viewer(context, folder)
    finally:
        context.close()
