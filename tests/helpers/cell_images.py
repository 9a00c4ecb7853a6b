"""A folder of drawn images of single cells, as `simulate.cells_from` expects."""

from pathlib import Path

import cv2
import numpy as np

from puzzlecell.data.raw_files import CHANNELS, channel_path

HEADER = "name,class,group\n"


def write_cell(folder: Path, name: str, level: int = 120, side: int = 40, dtype=np.uint8) -> None:
    """Write the four images of one cell: an ellipse in black, whose green is `level`, with a bright nucleus."""
    folder.mkdir(parents=True, exist_ok=True)
    body, nucleus = np.zeros((2, side, side), np.uint8)
    centre = (side // 2, side // 2)
    cv2.ellipse(body, centre, (side // 3, side // 4), 0, 0, 360, 1, -1)
    cv2.circle(nucleus, centre, side // 10, 1, -1)
    full = np.iinfo(dtype).max // 255
    planes = {"red": 100 * body, "green": level * body, "blue": 200 * nucleus, "yellow": 80 * body}
    for channel in CHANNELS:
        cv2.imwrite(str(channel_path(folder, name, channel)), (planes[channel].astype(dtype) * full))


def write_cells(folder: Path, rows: list[tuple[str, str, str]], **given) -> Path:
    """Write `cells.csv` with these rows (name, class, group) and the images; green is 20 times the cell's number."""
    for number, (name, _, _) in enumerate(rows, start=1):
        write_cell(folder, name, level=20 * number, **given)
    (folder / "cells.csv").write_text(HEADER + "".join(f"{','.join(row)}\n" for row in rows))
    return folder
