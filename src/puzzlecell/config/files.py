"""Paths that a user wrote."""

import os
from pathlib import Path


def file_problem(path: str | os.PathLike) -> str | None:
    """Say why a path is not that of a file; None if it is. Names that no file can have are not errors."""
    try:
        if Path(path).is_file():
            return None
        return "not a file" if Path(path).exists() else "there is no such file"
    except (OSError, ValueError):
        return "there is no such file"
