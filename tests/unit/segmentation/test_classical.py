"""The classical segmenter on simulated fields and real nuclei, and the invariants of its label images."""

import cv2
import numpy as np
import pytest
from helpers.paths import SHARED
from helpers.segmentation_data import in_order

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.segmenters import ClassicalSettings
from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.segmentation.base import FieldImage, Resources
from puzzlecell.segmentation.classical import find_nuclei
from puzzlecell.segmentation.factory import make_segmenter
from puzzlecell.segmentation.shard import segment_shard
from puzzlecell.simulate.field import simulate_field

TRUTH = SHARED / "nuclei_truth"
REAL = SHARED / "hpa_fields"
PIXEL_UM = 0.64


def f1(found, truth, iou):
    """F1 of objects matched at an IoU above `iou`; at 0.5 or more, each object has at most one match."""
    counts = np.zeros((found.max() + 1, truth.max() + 1))
    np.add.at(counts, (found.ravel(), truth.ravel()), 1)
    union = counts.sum(axis=1, keepdims=True) + counts.sum(axis=0, keepdims=True) - counts
    hits = (counts[1:, 1:] / union[1:, 1:] > iou).sum()
    return 2 * hits / (len(counts) - 1 + counts.shape[1] - 1)


@pytest.fixture(scope="module")
def simulated():
    return [simulate_field("test", number, SimulationSettings(), 3) for number in range(12)]


def segmented(image, pixel_um=PIXEL_UM, **settings):
    segmenter = make_segmenter(SegmentationSettings(classical=settings), Resources())
    return segmenter.segment([FieldImage("a field", image, pixel_um)])[0]


def test_simulated_cells_are_found(simulated):
    scores = [f1(segmented(field.image).cells, field.cells, 0.6) for field in simulated]
    assert np.mean(scores) >= 0.90


@pytest.mark.parametrize("number", [2, 40])
def test_no_part_of_a_cell_at_the_border_is_cut_off_because_of_its_texture(number):
    field = simulate_field("test", number, SimulationSettings(), 2020)
    assert f1(segmented((field.image // 257).astype(np.uint8)).cells, field.cells, 0.6) == 1


@pytest.mark.parametrize(
    ("settings", "least", "most"),
    [({}, 0.9, 1.0), ({"own_threshold": 0.0, "cell_threshold": 1.0}, 0.0, 0.8)],
    ids=["a threshold for each cell", "one at Otsu's level for the field"],
)
def test_dim_cells_are_found_by_a_threshold_of_their_own(settings, least, most):
    simulation = SimulationSettings(dim_cells=0.6)
    fields = [simulate_field("test", number, simulation, 3) for number in range(6)]
    scores = [f1(segmented(field.image, **settings).cells, field.cells, 0.6) for field in fields]
    assert least <= np.mean(scores) <= most


def test_eight_and_sixteen_bits_give_the_same_labels(simulated):
    image = (simulated[0].image // 257).astype(np.uint8)
    eight, sixteen = segmented(image), segmented(image.astype(np.uint16) * 257)
    np.testing.assert_array_equal(eight.cells, sixteen.cells)
    np.testing.assert_array_equal(eight.nuclei, sixteen.nuclei)


@pytest.mark.parametrize("shape", [(256, 256), (200, 256), (256, 131)])
def test_label_images_are_consecutive_and_connected_with_nuclei_in_their_cells(simulated, shape):
    for field in simulated[:4]:
        found = segmented(field.image[: shape[0], : shape[1]])
        assert found.cells.shape == shape
        in_order(found.cells, found.nuclei)


def test_an_empty_field_has_no_cells_and_a_reason():
    noise = np.random.default_rng(0).normal(20, 3, (128, 128, 4)).clip(0, 255).astype(np.uint8)
    for image in (noise, np.zeros((64, 64, 4), np.uint8)):
        found = segmented(image)
        assert not found.cells.any()
        assert found.reason


@pytest.mark.skipif(not TRUTH.is_dir(), reason="the shared data is not next to this checkout")
def test_hand_drawn_nuclei():
    scores = []
    for path in sorted((TRUTH / "images").iterdir()):
        blue = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        blue = blue if blue.ndim == 2 else blue.max(axis=-1)
        drawn = cv2.imread(str(TRUTH / "masks" / path.name), cv2.IMREAD_UNCHANGED)
        truth = np.unique(drawn if drawn.ndim == 2 else drawn.max(axis=-1), return_inverse=True)[1].reshape(
            blue.shape
        )
        # A nucleus is about 40 pixels, or 14 micrometres, wide.
        found = find_nuclei(blue.astype(np.float32) / np.iinfo(blue.dtype).max, 0.32, ClassicalSettings())
        scores.append(f1(found.astype(int), truth, 0.5))
    assert np.mean(scores) >= 0.90


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared data is not next to this checkout")
@pytest.mark.parametrize("side", [2048, 512, 256])
def test_every_complete_nucleus_of_a_real_field_has_one_cell(side):
    channels = [
        cv2.imread(str(REAL / f"800_A6_1_{name}.png"), cv2.IMREAD_UNCHANGED)
        for name in ("red", "green", "blue", "yellow")
    ]
    image = cv2.resize(np.stack(channels, -1), (side, side), interpolation=cv2.INTER_AREA)
    found = segmented(image, 0.08 * 2048 / side)
    in_order(found.cells, found.nuclei)
    # (y, x) of the nuclei that lie wholly inside the field, in pixels of the original, determined by eye.
    complete = [
        (380, 290), (600, 1080), (410, 1610), (870, 1660), (1080, 450),
        (1285, 1170), (1190, 1790), (1660, 1550), (1770, 750),
    ]  # fmt: skip
    numbers = [int(found.nuclei[y * side // 2048, x * side // 2048]) for y, x in complete]
    assert 0 not in numbers
    assert len(set(numbers)) == len(complete)
    # Each nucleus is connected, filled, and well inside its own cell.
    area = {number: int((found.cells == number).sum()) * (2048 / side) ** 2 for number in numbers}
    assert all(80_000 < pixels < 600_000 for pixels in area.values()), area
    assert found.cells.max() <= 18
    if side >= 512:
        # Left of the first cell and above it lie cells whose nuclei are outside the field.
        assert not (found.cells[:, 0] == numbers[0]).any()
        assert not (found.cells[0] == numbers[0]).any()


def test_a_shard_is_the_same_for_any_number_of_threads(simulated, tmp_path):
    images = np.stack([(field.image // 257).astype(np.uint8) for field in simulated[:3]])
    images = np.concatenate([images, np.zeros((1, 256, 256, 4), np.uint8)])
    sizes = {name: np.full(4, 256, np.uint32) for name in ("height", "width")}
    write_shard(tmp_path / "store.h5", ["a", "b", "c", "empty"], {"images": images, **sizes}, {"size": 256})
    for threads in (1, 3):
        segment_shard(
            tmp_path / "store.h5",
            tmp_path / f"{threads}.h5",
            tmp_path / f"{threads}.parquet",
            SegmentationSettings(),
            PixelSizes(PIXEL_UM),
            threads=threads,
        )
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "3.h5").read_bytes()
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "3.parquet").read_bytes()
    reader = ShardReader([tmp_path / "1.h5"])
    assert reader.read("a", "cells").max() > 0
    assert reader.read("empty", "cells").max() == 0
