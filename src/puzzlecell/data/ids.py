"""What an ID may look like: one rule for all tables.

An ID becomes part of file names, of CSV rows and of HDF5 texts, and it is printed in messages.
"""

import re
import unicodedata

LONGEST = 200
"""Bytes of the longest ID in UTF-8; file systems allow 255 for a name, and `_yellow.png` or `_nuclei.png` is added."""

_ORDINARY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.()#+-]{0,199}").fullmatch
_REFUSED = {
    ",": "a comma",
    ";": "a semicolon",
    '"': "a quote",
    "'": "a quote",
    "/": "a slash",
    "\\": "a backslash",
    "\t": "a tab",
    "\n": "a line break",
    "\r": "a line break",
}
_REFUSED_KINDS = {
    "Cc": "a control character",
    "Cf": "an invisible character",
    "Cs": "an incomplete character",
    "Zl": "a line break",
    "Zp": "a line break",
}
_JOINERS = "\u200c\u200d"
"""Invisible, but needed to write some languages."""


def id_problem(text: str) -> str | None:
    """Return why a text cannot be an ID, such as `contains a comma`; None if it can.

    Letters of all languages, digits, spaces inside and other signs are allowed, as in `plate 1 (well A1)` or `A01#3`.
    """
    if _ORDINARY(text):
        return None
    if not text:
        return "is empty"
    for character in text:
        found = _REFUSED.get(character) or _REFUSED_KINDS.get(unicodedata.category(character))
        if found and character not in _JOINERS:
            return f"contains {found}"
    if text.strip() != text:
        return "begins or ends with a space"
    if text.startswith("."):
        return "begins with a full stop, which hides files"
    size = len(text.encode())
    return f"has {size} bytes, more than {LONGEST}" if size > LONGEST else None
