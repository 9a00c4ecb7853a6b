"""Mask encoding of a field's cells: the published method against the library's.

The published method, reimplemented from its description, draws each cell's mask at the original size and encodes it
again for every class of the cell.
Run: python benchmarks/encode.py [--cells 22 --stored 512 --original 2048 --repeats 3]
"""

import argparse
import base64
import time
import zlib

import cv2
import numpy as np
from pycocotools import mask as coco
from step1 import example

from puzzlecell.data.rle import encode_cells


def plain_encoding(labels: np.ndarray, number: int, height: int, width: int) -> str:
    """Encode one cell: mask, resize, COCO run-length encoding, zlib, base64."""
    mask = cv2.resize((labels == number).astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA)
    mask = np.clip(mask, 0, 1).astype(bool)
    shaped = np.asfortranarray(mask.reshape(height, width, 1).astype(np.uint8))
    counts = coco.encode(shaped)[0]["counts"]
    return base64.b64encode(zlib.compress(counts, zlib.Z_BEST_COMPRESSION)).decode()


def independent_mask(text: str, height: int, width: int) -> np.ndarray:
    """Decode a mask with pycocotools to (height, width) bool."""
    counts = zlib.decompress(base64.b64decode(text))
    return coco.decode({"counts": counts, "size": [height, width]}).astype(bool)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("cells", 22), ("stored", 512), ("original", 2048), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    _, _, labels = example(2, arguments.cells, arguments.stored)
    side, numbers = arguments.original, np.unique(labels)[1:].tolist()

    def plain() -> dict[int, str]:
        return {number: plain_encoding(labels, number, side, side) for number in numbers}

    def library() -> dict[int, str]:
        return encode_cells(labels, side, side)

    seconds, texts = {}, {}
    for function in (plain, library):
        times = []
        for _ in range(arguments.repeats):
            start = time.perf_counter()
            texts[function.__name__] = function()
            times.append(time.perf_counter() - start)
        seconds[function.__name__] = min(times) / len(numbers)
        print(f"{function.__name__:8s} {1000 * seconds[function.__name__]:8.3f} ms per cell")
    same = all(
        np.array_equal(
            independent_mask(texts["library"][n], side, side), independent_mask(texts["plain"][n], side, side)
        )
        for n in numbers
    )
    ratio = seconds["plain"] / seconds["library"]
    print(f"{ratio:.1f} times faster per encoded cell; masks identical: {same}")


if __name__ == "__main__":
    main()
