"""Run the package hpacellseg in its own environment, on behalf of puzzlecell.segmentation.hpacellseg.

A stand-alone script for Python 3.7 and later; needs only numpy, OpenCV and hpacellseg. Each line of standard input is a
JSON object with `image` (a .npy file, (H, W, 4) red, green, blue, yellow), `scale`, `label` and `output` (.npz file to
write). Each is answered by one line on standard output, {} or {"error": ...}.
"""

import argparse
import json
import os
import sys
import traceback
from pathlib import Path

import cv2
import numpy as np


def main():
    """Load both networks once, then answer line by line until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nuclei_weights")
    parser.add_argument("cell_weights")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of OpenCV; PyTorch reads OMP_NUM_THREADS"
    )
    parser.add_argument("--padding", action="store_true")
    arguments = parser.parse_args()
    # The package prints to standard output, which is reserved for the answers; redirect its text to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Python searches the script's folder first, which contains another hpacellseg.
    here = Path(__file__).resolve().parent
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != here]
    from hpacellseg.cellsegmentator import CellSegmentator

    cv2.setNumThreads(arguments.threads)
    segmentator = upright(CellSegmentator)(
        arguments.nuclei_weights,
        arguments.cell_weights,
        scale_factor=1,
        device=arguments.device,
        padding=arguments.padding,
        multi_channel_model=True,
    )
    for line in sys.stdin:
        request = json.loads(line)
        try:
            np.savez(request["output"], **segment(segmentator, request))
            answer = {}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


def upright(package_class):
    """Return a subclass of the package's class that resizes predictions to (height, width).

    The package swaps the two; storing the target shape swapped corrects this.
    """

    def get(self):
        return self.__dict__["target_shape"]

    def put(self, shape):
        self.__dict__["target_shape"] = (shape[1], shape[0])

    return type("Upright", (package_class,), {"target_shape": property(get, put)})


def segment(segmentator, request):
    """Return the predictions of one field, (H, W, 3) uint8, and, if requested, the package's own labels."""
    image = np.load(request["image"])
    red, _, blue, yellow = (np.ascontiguousarray(image[..., channel]) for channel in range(4))
    segmentator.scale_factor = request["scale"]
    nuclei = segmentator.pred_nuclei([blue])[0]
    cells = segmentator.pred_cells([[red], [yellow], [blue]])[0]
    found = {"nuclei": nuclei, "cells": cells}
    if request["label"]:
        from hpacellseg.utils import label_cell

        found["nucleus_labels"], found["cell_labels"] = label_cell(nuclei.copy(), cells.copy())
    return found


if __name__ == "__main__":
    main()
