"""The chain of pages of a TIFF.

tifffile follows it wherever it leads: in a damaged file for minutes, in circles or through meaningless pages.
"""

import struct
from typing import BinaryIO

from puzzlecell.data.image_errors import ImageProblem

MOST_PAGES = 10_000
MOST_TAGS = 4096


def check_chain(file: BinaryIO) -> None:
    """Raise ImageProblem unless the pages of a TIFF follow each other to an end (TIFF 6.0, section 2; BigTIFF)."""
    start = file.read(16)
    order = {b"II": "<", b"MM": ">"}[start[:2]]
    big = struct.unpack(f"{order}H", start[2:4])[0] == 43
    number, entry, offset = ("Q", 20, "Q") if big else ("H", 12, "I")
    place = _number(start[8:16] if big else start[4:8], order + offset)
    seen: set[int] = set()
    while place:
        if place in seen:
            raise ImageProblem("damaged, its pages form a circle; copy the file again")
        seen.add(place)
        if len(seen) > MOST_PAGES:
            raise ImageProblem(f"more than {MOST_PAGES} pages; split it into images")
        file.seek(place)
        tags = _number(file.read(struct.calcsize(order + number)), order + number)
        if not 0 < tags <= MOST_TAGS:
            raise ImageProblem(f"damaged, page {len(seen) - 1} has {tags} tags; copy the file again")
        file.seek(tags * entry, 1)
        place = _number(file.read(struct.calcsize(order + offset)), order + offset)


def _number(content: bytes, kind: str) -> int:
    if len(content) != struct.calcsize(kind):
        raise ImageProblem("cut off, its list of pages leads beyond its end; copy the file again")
    return struct.unpack(kind, content)[0]
