"""The fourth world: a folder of real single cells, from which the simulation composes fields.

Cuts the mosaics of `real_cells` (mosaics.csv with `mosaic,class`; <mosaic>_{red,green,blue,yellow}.jpg, 3 x 3 cells of
512 x 512 pixels at about 0.08 um) into images of one cell each, and writes cells.csv and classes.csv beside them. The
group of a cell is its mosaic. Tiles without a cell are left out.

Run: python benchmarks/studies/real_cells.py SHARED data/cells
     snakemake --configfile config/config.yaml config/worlds/composed.yaml
SHARED: folder with `data/real_cells`, or `real_cells` itself.
"""

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np

CHANNELS = ("red", "green", "blue", "yellow")
TILE = 512
# A tile with fewer pixels above this intensity in red, blue or yellow has no cell, but the edge of one or dirt.
EDGE, SMALLEST = 14, 2500


def main(shared: Path, out: Path) -> None:
    """Write the images of all cells, cells.csv and classes.csv to the folder `out`."""
    mosaics = next(
        (
            path
            for path in (shared / "data/real_cells", shared / "real_cells", shared)
            if (path / "mosaics.csv").is_file()
        ),
        None,
    )
    if mosaics is None:
        raise SystemExit(f"{shared}: there is no real_cells/mosaics.csv; the fourth world is left out")
    out.mkdir(parents=True, exist_ok=True)
    with (mosaics / "mosaics.csv").open(newline="") as file:
        class_of = {row["mosaic"]: row["class"] for row in csv.DictReader(file)}
    classes = sorted(set(class_of.values()))
    rows = []
    for mosaic, name in sorted(class_of.items()):
        image = np.dstack([cv2.imread(str(mosaics / f"{mosaic}_{channel}.jpg"), 0) for channel in CHANNELS])
        for y in range(0, image.shape[0] - TILE + 1, TILE):
            for x in range(0, image.shape[1] - TILE + 1, TILE):
                tile = image[y : y + TILE, x : x + TILE]
                if (tile[..., [0, 2, 3]].max(axis=-1) > EDGE).sum() < SMALLEST:
                    continue
                cell = f"{mosaic}_{y // TILE}{x // TILE}"
                for number, channel in enumerate(CHANNELS):
                    cv2.imwrite(str(out / f"{cell}_{channel}.png"), tile[..., number])
                rows.append((cell, name, mosaic))
    with (out / "classes.csv").open("w") as file:
        file.write("index,name\n" + "".join(f"{index},{name}\n" for index, name in enumerate(classes)))
    with (out / "cells.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("name", "class", "group"), *rows])
    print(f"{out}: {len(rows)} cells of {len(class_of)} mosaics, {len(classes)} classes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shared", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    main(arguments.shared, arguments.out)
