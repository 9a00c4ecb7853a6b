"""Objects of a bucket where local files are needed: for a while, for planning, or only parts of them (HDF5)."""

import io
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from puzzlecell.errors import UserError
from puzzlecell.runtime.bucket import SCHEME, download, entry, is_url, read_range, split

PLANNING_FOLDER = ".snakemake/puzzlecell-bucket"
"""Where tables of a bucket are kept for planning, in a folder for each version."""
_PLANNED = re.compile(rf"{re.escape(PLANNING_FOLDER)}/[^/\s]+/")
_WHOLE = 1 << 16


@dataclass(frozen=True)
class FilesAtHand:
    """Files of `shown`, a folder of this machine or of a bucket, as they lie in `folder`."""

    folder: str | os.PathLike
    shown: str | os.PathLike

    def named(self, text: str) -> str:
        """A message about these files with their own names."""
        return text if self.folder == self.shown else text.replace(os.fspath(self.folder), str(self.shown))


@contextmanager
def at_hand(folder: str | os.PathLike, names: Sequence[str], *, ends: bool = False) -> Iterator[FilesAtHand]:
    """Provide some files of a folder on this machine: as they are, or downloaded from a bucket for the block.

    names: those in a bucket that are missing are missing here too. ends: large files need only their first and last
    bytes; zeros are between them. Errors of the block that a user can fix name the bucket. Raises BucketError.
    """
    if not is_url(folder):
        yield FilesAtHand(folder, folder)
        return
    with TemporaryDirectory(prefix="puzzlecell-") as temporary:
        fetch: Callable[[str, Path], object] = _download_ends if ends else download
        with ThreadPoolExecutor(len(names)) as pool:
            urls = [f"{str(folder).rstrip('/')}/{name}" for name in names]
            list(pool.map(fetch, urls, [Path(temporary, name) for name in names]))
        files = FilesAtHand(temporary, folder)
        try:
            yield files
        except UserError as error:
            if type(error).__init__ is not UserError.__init__:
                raise
            raise type(error)(files.named(str(error))) from error


def _download_ends(url: str, path: Path) -> None:
    try:
        head, size = read_range(url, 0, _WHOLE)
        tail = read_range(url, -_WHOLE, _WHOLE)[0] if size > _WHOLE else b""
    except FileNotFoundError:
        return
    with path.open("wb") as file:
        file.write(head)
        file.seek(size - len(tail))
        file.write(tail)


def planning_copy(url: str) -> str:
    """Return the path of a local copy of a table in a bucket, downloaded if it has changed.

    If there is no such table, there is no file at the path. Raises BucketError.
    """
    found, place = entry(url), "/".join(split(url))
    copy = Path(PLANNING_FOLDER, "missing" if found is None else found.etag, place)
    if found is not None and not copy.exists():
        download(url, copy)
    return str(copy)


def with_urls(text: str) -> str:
    """A message with the URLs of tables in place of the paths of their local copies."""
    return _PLANNED.sub(SCHEME, text)


@contextmanager
def downloaded(urls: Sequence[str]) -> Iterator[FilesAtHand]:
    """Provide local copies for the block, below a temporary folder; a missing one is missing there too.

    Where a copy is: `copy_of(files, url)`. Raises BucketError.
    """
    with TemporaryDirectory(prefix="puzzlecell-") as temporary:
        files = FilesAtHand(f"{temporary}/", SCHEME)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(download, urls, [copy_of(files, url) for url in urls]))
        yield files


def copy_of(files: FilesAtHand, url: str) -> str:
    """Path of the copy of an object."""
    return str(Path(files.folder, *split(url)))


class BucketFile(io.RawIOBase):
    """Reads an object as a file, a block at a time: for formats of which a small part is wanted, such as HDF5.

    The last blocks are kept. Raises FileNotFoundError if there is no such object, BucketError if it cannot be read.
    """

    def __init__(self, url: str, block: int = 1 << 18, kept: int = 32):
        self.url, self._block, self._kept = url, block, kept
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._place = 0
        self._blocks[0], self.size = read_range(url, 0, block)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer) -> int:
        # HDF5 takes one call to fill its buffer.
        done = 0
        with memoryview(buffer).cast("B") as view:
            wanted = min(len(view), max(0, self.size - self._place))
            while done < wanted:
                number, skipped = divmod(self._place, self._block)
                part = self._read_block(number)[skipped : skipped + wanted - done]
                view[done : done + len(part)] = part
                done += len(part)
                self._place += len(part)
        return done

    def _read_block(self, number: int) -> bytes:
        if number not in self._blocks:
            self._blocks[number] = read_range(self.url, number * self._block, self._block)[0]
            if len(self._blocks) > self._kept:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]
