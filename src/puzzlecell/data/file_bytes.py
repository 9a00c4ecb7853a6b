"""The bytes of image files; whatever keeps them from being read is an error that names the file."""

import os
import stat
from io import FileIO
from pathlib import Path

from puzzlecell.data.image_errors import ImageError, MissingImageError

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of TIFF and BigTIFF, in either byte order."""
GZIP_SIGNATURE = b"\x1f\x8b"


def open_regular(path: str | os.PathLike) -> tuple[int, int]:
    """Open a regular file; return its descriptor and size. Anything else, a named pipe for example, could block.

    Raises MissingImageError if there is no such file, and ImageError if it cannot be opened.
    """
    try:
        # Half a million files are looked at before the first job, and `Path.stat` would make a path of each.
        status = os.stat(path)  # noqa: PTH116
        if stat.S_ISREG(status.st_mode):
            return os.open(path, os.O_RDONLY), status.st_size
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    raise ImageError(f"{path}: {_kind(status.st_mode)}; expected an image file")


def whole_content(path: str | os.PathLike) -> bytes:
    """Return all bytes of a regular file; raises as `open_regular` does."""
    descriptor, _ = open_regular(path)
    with FileIO(descriptor) as file:
        try:
            return file.readall()
        except OSError as error:
            raise unreadable(path, error) from error


def first_bytes(path: str | os.PathLike, count: int) -> bytes:
    """Return the first `count` bytes of a regular file, or all if there are fewer; raises as `open_regular` does."""
    return first_and_last_bytes(path, count, 0)[0]


def first_and_last_bytes(path: str | os.PathLike, first: int, last: int) -> tuple[bytes, bytes]:
    """Return so many bytes of both ends of a regular file; raises as `open_regular` does."""
    descriptor, size = open_regular(path)
    try:
        return os.pread(descriptor, first, 0), os.pread(descriptor, last, max(0, size - last))
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        os.close(descriptor)


def unreadable(path: str | os.PathLike, error: OSError | ValueError) -> ImageError:
    """Return the error for a file that cannot be opened or read."""
    if isinstance(error, FileNotFoundError):
        if Path(path).is_symlink():
            return ImageError(f"{path}: a link to a file that does not exist")
        return MissingImageError(f"{path}: file is missing")
    # A ValueError is a NUL character or another one that no file name can contain.
    name, why = (path, error.strerror) if isinstance(error, OSError) else (repr(str(path)), error)
    return ImageError(f"{name}: cannot be opened: {why}")


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a named pipe" if stat.S_ISFIFO(mode) else "not a regular file"
