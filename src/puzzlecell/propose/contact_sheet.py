"""A contact sheet: the channels of the first fields and their composite, so that a wrong mapping is seen."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from puzzlecell.propose.channel_words import STAINS
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.segmentation.overlay import composite

TILE = 240
"""Side of an image on the sheet, in pixels."""
_MARGIN, _LINE = 8, 18
_WHITE, _GREY, _ORANGE = (255, 255, 255), (150, 150, 150), (255, 170, 0)


@dataclass(frozen=True)
class SheetColumn:
    """A column of images. title: what the files call it. channel: red, green, blue or yellow; None: not decided."""

    title: str
    channel: str | None


def write_contact_sheet(
    path: str | os.PathLike,
    columns: Sequence[SheetColumn],
    fields: Mapping[str, Sequence[np.ndarray | str | None]],
) -> None:
    """Write a JPEG with one row per field: an image per column, then the composite if red, green and blue are known.

    fields: by ID, for each column the image (H, W), or why it cannot be shown, or None for a black channel. Each image
    is stretched to its 99.8th percentile; its darkest and brightest value are written below it.
    """
    known = {column.channel for column in columns} >= {"green", "blue"}
    width = _MARGIN + (len(columns) + known) * (TILE + _MARGIN)
    header = _MARGIN + 2 * _LINE
    height = header + len(fields) * (TILE + 2 * _LINE + _MARGIN)
    sheet = np.zeros((height, width, 3), np.uint8)
    for place, column in enumerate(columns):
        left = _MARGIN + place * (TILE + _MARGIN)
        if column.channel:
            _write(sheet, f"{column.channel}: {STAINS[column.channel]}", left, _LINE)
        else:
            _write(sheet, "which channel? to be decided", left, _LINE, colour=_ORANGE)
        _write(sheet, f"in the files: {column.title}", left, 2 * _LINE, colour=_GREY)
    if known:
        _write(sheet, "composite", _MARGIN + len(columns) * (TILE + _MARGIN), _LINE)
    top = header
    for field_id, images in fields.items():
        _write(sheet, field_id, _MARGIN, top + _LINE, room=width - 2 * _MARGIN)
        _row(sheet, top + _LINE + _MARGIN, columns, images, known)
        top += TILE + 2 * _LINE + _MARGIN
    done, content = cv2.imencode(
        Path(path).suffix, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92]
    )
    if not done:
        raise ValueError(f"{path}: OpenCV cannot encode the contact sheet")
    with written_whole(path) as temporary:
        temporary.write_bytes(content.tobytes())


def _row(
    sheet: np.ndarray,
    top: int,
    columns: Sequence[SheetColumn],
    images: Sequence[np.ndarray | str | None],
    known: bool,
) -> None:
    stack = np.zeros((TILE, TILE, 4), np.uint8)
    for place, (column, image) in enumerate(zip(columns, images, strict=True)):
        left = _MARGIN + place * (TILE + _MARGIN)
        if isinstance(image, np.ndarray):
            tile = _tile(image)
            sheet[top : top + TILE, left : left + TILE] = tile[..., None]
            below = f"{image.min():g} to {image.max():g}, {image.shape[1]} x {image.shape[0]}"
            if column.channel:
                stack[..., list(STAINS).index(column.channel)] = tile
        else:
            sheet[top : top + TILE, left : left + TILE] = 40
            below = image or "no such channel: black"
        _write(sheet, below, left, top + TILE + _LINE - 5, colour=_GREY if image is not None else _ORANGE)
    if known:
        left = _MARGIN + len(columns) * (TILE + _MARGIN)
        sheet[top : top + TILE, left : left + TILE] = composite(stack)


def _tile(image: np.ndarray) -> np.ndarray:
    """An image (H, W) stretched to 8 bit, in a square of the size of a tile."""
    scale = TILE / max(image.shape)
    size = [max(1, round(side * scale)) for side in image.shape]
    small = cv2.resize(
        image.astype(np.float32),
        (size[1], size[0]),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST,
    )
    low, high = float(small.min()), float(np.percentile(small, 99.8))
    stretched = np.clip((small - low) / max(high - low, 1e-12), 0, 1) * 255
    tile = np.zeros((TILE, TILE), np.uint8)
    tile[: size[0], : size[1]] = stretched.astype(np.uint8)
    return tile


def _write(
    sheet: np.ndarray,
    text: str,
    left: int,
    base: int,
    *,
    colour: tuple[int, int, int] = _WHITE,
    room: int = TILE,
) -> None:
    """Write a text of one line, shortened in the middle to the room in pixels. OpenCV's font has ASCII only."""
    plain = text.encode("ascii", "replace").decode()
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.42
    while cv2.getTextSize(plain, font, size, 1)[0][0] > room and len(plain) > 8:
        middle = len(plain) // 2
        plain = f"{plain[: middle - 3]}...{plain[middle + 2 :]}"
    cv2.putText(sheet, plain, (left, base), font, size, colour, 1, cv2.LINE_AA)
