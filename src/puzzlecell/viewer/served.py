"""What the server of the viewer serves: the pages of the package, and everything else straight from the stores."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from puzzlecell.errors import UserError
from puzzlecell.viewer.chunks import chunk_bytes
from puzzlecell.viewer.page_files import PAGE, page_files
from puzzlecell.viewer.server import Content
from puzzlecell.viewer.shard import ShardView
from puzzlecell.viewer.sheets import webp
from puzzlecell.viewer.write_shard import one_sheet

SHARDS = 8
"""Shards that are kept in memory."""
SCRIPT, WEBP = "text/javascript; charset=utf-8", "image/webp"
MEDIA = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": SCRIPT}

_CHUNK = re.compile(r"(cells|details|shapes)\.js").fullmatch
# Each number can be written in one way.
_SHEET, _FIELD, _CAM = (
    re.compile(text.replace("#", r"(\d{4}|[1-9]\d{4,8})"), re.ASCII).fullmatch
    for text in (r"sheet-#\.webp", r"field-#\.webp", r"cam-#-(\d{2}|[1-9]\d{2,3})\.webp")
)


class _Kept:
    """One shard in memory; the lock is for its files, which one thread at a time reads."""

    def __init__(self) -> None:
        self.view: ShardView | None = None
        self.lock = threading.Lock()


class ServedView:
    """A `server.Source`: the same pages and paths as in the folder that `snakemake view` makes, with all pictures.

    run: makes the content of the chunk `run`. shards: makes a shard by its name, such as `test/000`; the last `SHARDS`
    of them are kept in memory. further: chunks of other rules, by their names such as `test/quality`. Paths are looked
    up by name: no file is found by a path that is asked for.
    """

    def __init__(
        self,
        run: Callable[[], dict[str, Any]],
        shards: Mapping[str, Callable[[], ShardView]],
        further: Mapping[str, Path],
    ):
        self._pages = {
            name: Content(MEDIA[Path(name).suffix], Path(PAGE, name).read_bytes()) for name in page_files()
        }
        self._run, self._shards = run, shards
        self._further = {f"data/{name}.js": path for name, path in further.items()}
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, path: str) -> Content | None:
        """Return what is at a path; None: nothing. Raises UserError for results that are missing or damaged."""
        if path in self._pages:
            return self._pages[path]
        if path in self._further:
            return Content(SCRIPT, _read(self._further[path]))
        if path == "data/run.js":
            return Content(SCRIPT, chunk_bytes("run", {**self._run(), "served": True}, {}))
        folder, _, file = path.rpartition("/")
        name = folder.removeprefix("data/")
        if folder != f"data/{name}" or name not in self._shards:
            return None
        with self._shard(name) as view:
            if chunk := _CHUNK(file):
                made = getattr(view, f"{chunk[1]}_chunk")()
                return Content(SCRIPT, chunk_bytes(f"{name}/{chunk[1]}", *made))
            body = _picture(view, file)
            return None if body is None else Content(WEBP, body, lasting=True)

    @contextmanager
    def _shard(self, name: str) -> Iterator[ShardView]:
        """Provide a shard, to one thread at a time."""
        with self._lock:
            kept = self._kept.setdefault(name, _Kept())
            self._kept.move_to_end(name)
            while len(self._kept) > SHARDS:
                self._kept.popitem(last=False)
        with kept.lock:
            if kept.view is None:
                kept.view = self._shards[name]()
            yield kept.view


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: this file no longer exists; if `snakemake view` is running, reload the page when it is done, "
            "otherwise run it"
        ) from error


def _picture(view: ShardView, file: str) -> bytes | None:
    """A picture of a shard by its file name: a sheet of cells, a field, or a map of a class; None: there is none."""
    if found := _SHEET(file):
        return one_sheet(view, int(found[1]))
    if found := _FIELD(file):
        place = int(found[1])
        return webp(view.field_picture(place), view.settings.quality) if place < len(view.ids) else None
    if found := _CAM(file):
        place, index = int(found[1]), int(found[2])
        shown = view.shown_cams
        there = place < shown.shape[0] and index < shown.shape[1] and shown[place, index]
        return view.cams.picture(view.ids[place], index) if there else None
    return None
