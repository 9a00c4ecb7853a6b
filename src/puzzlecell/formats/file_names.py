"""Names of files for fields, whose IDs may contain signs that other tools or systems cannot take in paths.

Imports nothing heavy, because planning uses this module too.
"""

import hashlib
import re

_HARMLESS = re.compile(r"\w[\w.+-]*").fullmatch
_MOST_BYTES = 150


def safe_name(field_id: str) -> str:
    """Return the name of a field's files without an ending: its ID if it has only letters, digits and `_.+-`.

    In any other ID, all other signs become `_`, and a hyphen and ten hexadecimal digits of the ID's SHA-256 follow, so
    that names stay different; a name of more than 150 bytes is cut before the digits.
    """
    encoded = field_id.encode()
    if _HARMLESS(field_id) and len(encoded) <= _MOST_BYTES:
        return field_id
    plain = re.sub(r"[^\w.+-]", "_", field_id).encode()[:_MOST_BYTES].decode(errors="ignore")
    return f"{plain}-{hashlib.sha256(encoded).hexdigest()[:10]}"
