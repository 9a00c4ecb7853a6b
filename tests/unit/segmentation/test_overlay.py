import cv2
import numpy as np
import pytest

from puzzlecell.data.store import write_shard
from puzzlecell.segmentation.overlay import CELL_COLOUR, NUCLEUS_COLOUR, composite, overlay, write_overlays


def test_channels_go_to_their_colours():
    image = np.zeros((4, 4, 4), np.uint8)
    image[0, 0, 0] = image[0, 1, 1] = image[0, 2, 2] = image[0, 3, 3] = 100
    picture = composite(image)
    assert picture[0, 0].tolist() == [255, 0, 0]
    assert picture[0, 1].tolist() == [0, 255, 0]
    assert picture[0, 2].tolist() == [0, 0, 255]
    assert picture[0, 3].tolist() == [127, 127, 0]


def test_borders_lie_on_the_cells():
    cells, nuclei = np.zeros((2, 64, 64), np.uint16)
    cells[8:40, 8:40] = 300
    nuclei[16:32, 16:32] = 300
    picture = overlay(np.zeros((32, 32, 4), np.uint8), cells, nuclei, side=64)
    drawn = np.argwhere((picture == CELL_COLOUR).all(axis=-1))
    assert drawn.min(axis=0).tolist() == [8, 8]
    assert drawn.max(axis=0).tolist() == [39, 39]
    assert (picture[16, 20] == NUCLEUS_COLOUR).all()
    assert (picture[24, 24] == 0).all()


@pytest.mark.parametrize("count", [0, 1, 5])
def test_overlays_of_a_shard(tmp_path, count):
    ids = [f"f{number}" for number in range(count)]
    sizes = {"height": np.full(count, 9, np.uint32), "width": np.full(count, 9, np.uint32)}
    write_shard(tmp_path / "s.h5", ids, {"images": np.zeros((count, 8, 8, 4), np.uint8), **sizes}, {})
    empty = np.zeros((count, 16, 16), np.uint16)
    write_shard(tmp_path / "m.h5", ids, {"cells": empty, "nuclei": empty, **sizes}, {})
    write_overlays(tmp_path / "o.png", tmp_path / "s.h5", tmp_path / "m.h5")
    shape = {0: (64, 64), 1: (512, 512), 5: (1024, 1536)}[count]
    assert cv2.imread(str(tmp_path / "o.png")).shape[:2] == shape
