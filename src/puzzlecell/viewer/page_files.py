"""The files of the page itself: HTML, style and scripts. Imports nothing heavy, because planning uses this module."""

import hashlib
from pathlib import Path

PAGE = Path(__file__).parent / "page"


def page_files() -> list[str]:
    """Paths of the files from the folder of the viewer, such as `js/core.js`."""
    return sorted(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*") if path.is_file())


def page_digest() -> str:
    """Digest (16 hex digits) of the contents of the files."""
    digest = hashlib.sha256()
    for name in page_files():
        content = (PAGE / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]
