"""Whether a path given by a user is a file that can be read."""

import os
import stat
from pathlib import Path


def file_problem(path: str | os.PathLike, what: str = "file") -> str | None:
    """Return why `path` is not a readable regular file, such as `there is no such file`; None if it is one.

    what: word for the expected file. Nothing is opened: opening a named pipe would wait for a writer.
    """
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return f"there is no such {what}"
    except (OSError, ValueError) as error:
        # ValueError: a NUL character in the path.
        return f"cannot be opened: {getattr(error, 'strerror', None) or error}"
    if stat.S_ISDIR(mode):
        return f"is a folder, not a {what}"
    if not stat.S_ISREG(mode):
        return f"is a named pipe, a socket or a device, not a {what}"
    return None if os.access(path, os.R_OK) else "cannot be opened: Permission denied"
