"""Pictures of made-up cells and fields. The class of a cell decides the pattern of its green channel."""

import shutil
from pathlib import Path

import cv2
import numpy as np
from helpers.made_up_shard import HEIGHT, WIDTH, Shard


def write_pictures(shard: Shard, target: Path, pictures: dict, distinct: int | None) -> None:
    """Write the sheets, the pictures of fields and the activation maps of a shard, as in `write_view`."""
    tile, per_sheet = pictures["tile"], pictures["per_sheet"]
    chosen = np.flatnonzero(shard.picture)
    for number, start in enumerate(range(0, len(chosen), per_sheet)):
        path = target / f"sheet-{number:04d}.webp"
        if distinct is not None and number >= distinct:
            shutil.copyfile(target / f"sheet-{number % distinct:04d}.webp", path)
            continue
        sheet = np.zeros((per_sheet * tile, 4 * tile), np.uint8)
        for slot, i in enumerate(chosen[start : start + per_sheet]):
            sheet[slot * tile : (slot + 1) * tile] = np.hstack(_drawn(shard, i, tile))
        _write_webp(path, sheet)
    side = pictures["field_tile"]
    for number in range(min(shard.f, shard.layout.field_pictures)):
        path = target / f"field-{number:04d}.webp"
        if distinct is not None and number >= distinct:
            shutil.copyfile(target / f"field-{number % distinct:04d}.webp", path)
            continue
        _write_webp(path, np.hstack(_field_picture(shard, number, side)))
    for number in range(min(shard.f, shard.layout.cams)):
        for c in range(3):
            x, y = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64))
            warm = (255 * np.exp(-3 * ((x - 0.3 * c + 0.3) ** 2 + (y - 0.3 * c + 0.3) ** 2))).astype(np.uint8)
            _write_webp(target / f"cam-{number:04d}-{c:02d}.webp", warm)


def _drawn(shard: Shard, i: int, tile: int) -> list[np.ndarray]:
    """The four channels of cell i in its square, (tile, tile) uint8 each."""
    y0, x0, side = shard.crop[i]
    zoom = tile / side
    outline = (shard.outline[i] - [x0, y0]) * zoom
    nucleus = (shard.nucleus_outline[i] - [x0, y0]) * zoom
    return _channels((tile, tile), outline, nucleus, int(shard.scores[:, i].argmax()))


def _field_picture(shard, number, side):
    whole = [np.zeros((side, side), np.uint8) for _ in range(4)]
    for i in np.flatnonzero(shard.field == number):
        stretch = [side / WIDTH, side / HEIGHT]
        outlines = shard.outline[i] * stretch, shard.nucleus_outline[i] * stretch
        drawn = _channels((side, side), *outlines, int(shard.scores[:, i].argmax()))
        whole = [np.maximum(before, added) for before, added in zip(whole, drawn, strict=True)]
    return whole


def _channels(shape, outline, nucleus, top):
    """Microtubules, protein, nucleus and endoplasmic reticulum of a cell; outlines: (k, 2) x, y."""
    cell, core = (np.zeros(shape, np.uint8) for _ in range(2))
    cv2.fillPoly(cell, [np.round(outline).astype(np.int32)], 1)
    cv2.fillPoly(core, [np.round(nucleus).astype(np.int32)], 1)
    y, x = np.indices(shape)
    stripes = 0.5 + 0.5 * np.sin((x + 2 * y) * 0.6)
    dots = 0.5 + 0.5 * np.sin(x * (0.3 + 0.1 * top)) * np.sin(y * (0.2 + 0.1 * top))
    plasma = cell & (1 - core)
    red, yellow = 150 * plasma * stripes, 110 * plasma
    green = 230 * dots * (core if top < 4 else plasma)
    return [np.asarray(channel, np.uint8) for channel in (red, green, 200 * core, yellow)]


def _write_webp(path, grey):
    if not cv2.imwrite(str(path), grey, [cv2.IMWRITE_WEBP_QUALITY, 80]):
        raise OSError(f"{path}: cannot be written")
