"""Smooth masks that were merged pixel by pixel, as the third-place team of HuBMAP 2023 did."""

import cv2
import numpy as np

from puzzlecell.data.iou import Runs

SQUARE = np.ones((3, 3), np.uint8)


def smoothed(runs: Runs, height: int, width: int) -> Runs:
    """Erode a mask by one pixel and dilate it by one again, which takes away spurs and bridges up to two pixels wide.

    runs: those of the mask in a field of height x width, as `cell_runs` returns them. What is outside the field does
    not erode it. A mask without any place for 3 x 3 pixels stays as it is, since nothing would be left of it.
    """
    starts, ends = runs
    if not len(starts):
        return runs
    first, last = int(starts[0]) // height, int(ends[-1] - 1) // height
    # A column more on either side, as far as the field has one: only its border is no border of the mask.
    left, right = max(first - 1, 0), min(last + 2, width)
    steps = np.zeros((right - left) * height + 1, np.int8)
    steps[starts - left * height] = 1
    steps[ends - left * height] = -1
    columns = np.cumsum(steps[:-1], dtype=np.int8).astype(np.uint8).reshape(-1, height)
    inside = cv2.dilate(cv2.erode(columns, SQUARE), SQUARE).ravel()
    if not inside.any():
        return runs
    edges = np.flatnonzero(np.diff(inside, prepend=0, append=0)) + left * height
    return edges[::2], edges[1::2]
