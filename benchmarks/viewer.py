"""The viewer with a million cells, beside one self-contained HTML report that holds all cells in a table.

The view is made up (`tests/helpers/made_up_view.py`): fields of 20 cells and as many pictures as the default
configuration makes. Chromium opens it from disk, without a window and without a graphics card. Measured are the size
of the files; from the start of the navigation, the seconds until the first page is ready, until the gallery of a class
shows pictures and until all cells are in the table; sorting and filtering of all cells; frames a second while the wheel
turns (from the times between animation frames: median, and the slowest one in twenty); and the memory of the process
of the page at its peak.

Plain: a report as many tools write, here from `DataFrame.to_html`: a row per cell with its probabilities, no pictures.

Run: python benchmarks/viewer.py [--cells 1000000 --fields 50000 --shards 40 --plain 10000 100000 1000000]
     python benchmarks/viewer.py --view results/view      measures a real view
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from helpers.browser import install, started, viewing  # noqa: E402
from helpers.made_up_view import CLASSES, million, write_view  # noqa: E402
from playwright.sync_api import Browser, Error, Page, TimeoutError  # noqa: E402

NAMES = tuple(f"{name} {number}" for number, name in enumerate((CLASSES * 2)[:19]))
# Notes when the first picture is drawn.
WATCH = """
window.times = {};
const draw = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...values) {
  window.times.picture = performance.now();
  CanvasRenderingContext2D.prototype.drawImage = draw;
  return draw.apply(this, values);
};
"""
# Milliseconds since the start of the navigation, once something is there. Asked from outside: a timer in the page would
# slow down its reading of scripts.
SINCE = {
    "ready": "document.querySelector('#page[data-ready]') && performance.now()",
    "picture": "window.times.picture",
    "all": """(() => {
      const table = puzzlecell.table.current;
      return table && table.done === table.shards.length && performance.now();
    })()""",
}
FRAMES = """() => {
  window.frames_ = [];
  const next = (now) => { window.frames_.push(now); window.framing = requestAnimationFrame(next); };
  window.framing = requestAnimationFrame(next);
}"""
STOP = "() => { cancelAnimationFrame(window.framing); return window.frames_; }"
TIMED = "async (run) => { const start = performance.now(); await run(); return performance.now() - start; }"


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--fields", type=int, default=50_000)
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--plain", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=10, help="of scrolling")
    parser.add_argument(
        "--limit", type=float, default=300, help="seconds after which a page counts as failed"
    )
    parser.add_argument("--memory", type=float, default=12, help="GB at which a plain report is stopped")
    parser.add_argument("--view", type=Path, help="a view that is there already")
    options = parser.parse_args()
    problem = install()
    if problem:
        sys.exit(problem)
    with tempfile.TemporaryDirectory() as folder:
        view = options.view
        if view is None:
            view = Path(folder) / "view"
            start = time.perf_counter()
            layouts = million(options.cells, options.fields, options.shards)
            write_view(view, layouts, NAMES, tile=96, distinct=2, keep=False)
            print(f"made in {time.perf_counter() - start:.0f} s")
        sizes(view.resolve())
        with started("--enable-precise-memory-info") as browser:
            print(f"Chromium {browser.version}")
            measure_view(browser, view.resolve(), options)
        for cells in options.plain:
            path = Path(folder) / "plain.html"
            write_plain(path, cells)
            # A browser of its own: it may not survive.
            with started() as browser:
                measure_plain(browser, path, cells, options)


def sizes(view: Path) -> None:
    """Print the size of the files by kind."""
    found = defaultdict(list)
    for path in view.rglob("*"):
        if path.is_file():
            kind = path.stem.split("-")[0] if path.parts[len(view.parts)] == "data" else "page"
            found[kind].append(path.stat().st_size)
    print(f"\n{'files':10}{'number':>8}{'MB':>10}")
    for kind, each in sorted(found.items(), key=lambda entry: -sum(entry[1])):
        print(f"{kind:10}{len(each):8}{sum(each) / 1e6:10.2f}")
    print(
        f"{'all':10}{sum(map(len, found.values())):8}{sum(sum(each) for each in found.values()) / 1e6:10.2f}\n"
    )


def measure_view(browser: Browser, view: Path, options: argparse.Namespace) -> None:
    """Print what a view takes, page by page."""
    for name, place in (("overview", "/"), ("gallery of a class", "/gallery?class=3")):
        with viewing(browser, view) as viewer:
            page = watched(viewer.page, options.limit)
            page.goto(f"file://{view}/index.html#{place}")
            if name == "overview":
                # All that it needs is in one small chunk.
                print(f"{name}: ready after {at(page, 'ready', options.limit):.2f} s")
                continue
            print(f"{name}: first pictures after {at(page, 'picture', options.limit):.2f} s")
            loaded = at(page, "all", options.limit)
            print(
                f"  all cells in the table after {loaded:.2f} s; {processor_time(browser):.2f} s of a processor"
            )
            page.wait_for_timeout(2000)
            operations(page)
            box = page.locator(".tiles, .gallery-list, [role=listbox]").first.bounding_box()
            for what, pixels in (("reading", 120), ("fast", 1500)):
                report = scrolled(page, (box["x"] + 50, box["y"] + 50), pixels, options.seconds)
                print(f"  scrolling, {what} ({20 * pixels} pixels a second): {report}")
            print(f"  elements in the page: {page.evaluate('document.querySelectorAll(`*`).length')}")
            print(f"  memory of its process, at most: {memory(browser):.0f} MB")
            print("  " + "; ".join(viewer.problems or ["no errors"]))


def operations(page: Page) -> None:
    """Print the times of sorting and filtering, the best of three."""
    nothing = "dataset: '', id: '', metadata: {}, border: '', called: null, truth: null, unlike: ''"
    whole, filtered = f"{{ {nothing}, quality: 0, top: null }}", f"{{ {nothing}, quality: 0.5, top: 3 }}"
    for what, code in {
        "all cells by confidence": f"puzzlecell.table.sorted('confident', 3, puzzlecell.table.filtered({whole}))",
        "all cells by uncertainty": f"puzzlecell.table.sorted('uncertain', 3, puzzlecell.table.filtered({whole}))",
        "all cells in random order": f"puzzlecell.table.sorted('random', 3, puzzlecell.table.filtered({whole}))",
        "filter by quality and most probable class": f"puzzlecell.table.filtered({filtered})",
    }.items():
        times = [page.evaluate(f"({TIMED})(() => {code})") for _ in range(3)]
        print(f"  {what}: {min(times):.0f} ms")


def scrolled(page: Page, place: tuple[float, float], pixels: int, seconds: float) -> str:
    """Turn the wheel 20 times a second and return the frames a second."""
    page.mouse.move(*place)
    page.evaluate(FRAMES)
    start = time.perf_counter()
    turns = 0
    while time.perf_counter() - start < seconds:
        page.mouse.wheel(0, pixels)
        turns += 1
        page.wait_for_timeout(max(0, (start + turns * 0.05 - time.perf_counter()) * 1000))
    steps = np.diff(page.evaluate(STOP))
    median, slow = 1000 / np.percentile(steps, [50, 95])
    return f"{median:.0f} frames a second, slowest in twenty {slow:.0f}; longest {steps.max():.0f} ms"


def write_plain(path: Path, cells: int) -> None:
    """Write a report with a table of all cells."""
    random = np.random.default_rng(1)
    table = pd.DataFrame(random.random((cells, len(NAMES))).round(4), columns=list(NAMES))
    table.insert(0, "ID", [f"field_{number // 20}" for number in range(cells)])
    table.insert(1, "cell", np.arange(cells) % 20 + 1)
    with path.open("w", encoding="utf-8") as file:
        file.write("<!doctype html><meta charset=utf-8><title>Report</title><h1>Cells</h1>")
        # In parts: pandas holds the text of all of it.
        for start in range(0, cells, 50_000):
            table.iloc[start : start + 50_000].to_html(file, index=False, border=0)


def measure_plain(browser: Browser, path: Path, cells: int, options: argparse.Namespace) -> None:
    """Print what the plain report takes, or how it fails."""
    print(f"plain, {cells} cells: {path.stat().st_size / 1e6:.0f} MB")
    with suppress(Error), viewing(browser, path.parent) as viewer:
        page = watched(viewer.page, options.limit)
        start = time.perf_counter()
        guard(browser, options)
        try:
            page.goto(f"file://{path}")
            # Painted, too.
            page.evaluate(
                "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
            )
        except TimeoutError:
            print(f"  not there after {options.limit:.0f} s; memory {memory(browser):.0f} MB")
            return
        except Error as error:
            print(f"  fails after {time.perf_counter() - start:.0f} s: {str(error).splitlines()[0]}")
            return
        print(f"  usable after {time.perf_counter() - start:.1f} s; memory {memory(browser):.0f} MB")
        print(f"  scrolling: {scrolled(page, (300, 300), 120, options.seconds)}")


def guard(browser: Browser, options: argparse.Namespace) -> None:
    """End the processes of the pages in the background if they take more memory than they may."""
    pids = [process["id"] for process in processes(browser)]

    def look() -> None:
        while pids:
            for pid in list(pids):
                try:
                    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf(
                        "SC_PAGE_SIZE"
                    )
                    if resident > options.memory * 1e9:
                        print(f"  stopped at {options.memory:g} GB of memory", flush=True)
                        os.kill(pid, signal.SIGKILL)
                except OSError:
                    pids.remove(pid)
            time.sleep(0.5)

    threading.Thread(target=look, daemon=True).start()


def watched(page: Page, limit: float) -> Page:
    """The page with times noted from its start."""
    page.add_init_script(WATCH)
    page.set_default_timeout(limit * 1000)
    return page


def at(page: Page, name: str, limit: float) -> float:
    """Seconds until something happened; waits for it."""
    start = time.perf_counter()
    while time.perf_counter() - start < limit:
        found = page.evaluate(SINCE[name])
        if found:
            return found / 1000
        page.wait_for_timeout(20)
    return float("nan")


def memory(browser: Browser) -> float:
    """MB of the largest process that shows pages, at its peak."""
    peaks = [0.0]
    for process in processes(browser):
        with suppress(OSError):
            status = Path(f"/proc/{process['id']}/status").read_text()
            peaks.append(float(status.split("VmHWM:")[1].split()[0]) / 1000)
    return max(peaks)


def processor_time(browser: Browser) -> float:
    """Seconds of processors that the page's process has taken so far."""
    return max(process["cpuTime"] for process in processes(browser))


def processes(browser: Browser) -> list[dict]:
    """The processes that show pages."""
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return [process for process in found if process["type"] == "renderer"]


if __name__ == "__main__":
    main()
