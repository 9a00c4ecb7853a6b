"""Inference of the HPA segmenter: sizes, channels, padding, settings."""

import numpy as np
import pytest
import torch
from helpers.segmentation_data import in_order
from skimage.transform import rescale
from torch import nn

from puzzlecell.config.labelling import LabellingSettings, PublishedFaults
from puzzlecell.config.segmenters import HpaDpnSettings
from puzzlecell.segmentation.base import FieldImage
from puzzlecell.segmentation.hpa_dpn import HpaDpnSegmenter, shrink


class Seen(nn.Module):
    """A network that predicts objects where its last input channel is bright, and records its inputs."""

    def __init__(self):
        super().__init__()
        self.shapes, self.autocast = [], []
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images):
        self.shapes.append(tuple(images.shape))
        self.autocast.append(torch.is_autocast_enabled("cpu"))
        bright = 40 * (images.mean(1) - 0.3)
        return torch.stack([-bright, torch.full_like(bright, -30), bright], 1)


def discs(height, width, dtype=np.uint8):
    """A field of four cells, 20 micrometres wide at 0.08 micrometres a pixel, with nuclei of 12."""
    rows, columns = np.mgrid[:height, :width]
    field = np.zeros((height, width, 4), dtype)
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            distance = np.hypot(rows - y, columns - x)
            field[distance < 125, 0] = field[distance < 125, 3] = 200 if dtype == np.uint8 else 200 * 257
            field[distance < 75, 2] = 250 if dtype == np.uint8 else 250 * 257
    return field


def segmenter(**settings):
    networks = Seen(), Seen()
    threads = settings.pop("threads", 1)
    labelling = settings.pop("labelling", LabellingSettings())
    return HpaDpnSegmenter(HpaDpnSettings(**settings), labelling, threads, networks=networks), networks


@pytest.mark.parametrize("size", [(1728, 1728), (3072, 3072), (700, 1000)])
def test_any_size_is_padded_and_labelled_in_place(size):
    made, (nuclei, cells) = segmenter()
    (found,) = made.segment([FieldImage("a", discs(*size), 0.08)])
    small = [round(side / 4) for side in size]
    padded = tuple(side + 64 - side % 32 for side in small)
    assert nuclei.shapes == cells.shapes == [(1, 3, *padded)]
    assert found.cells.shape == size
    in_order(found.cells, found.nuclei)
    assert set(np.unique(found.cells)) == set(np.unique(found.nuclei)) == {0, 1, 2, 3, 4}
    rows, columns = np.nonzero(found.nuclei == found.nuclei[size[0] // 4, size[1] // 4])
    assert abs(rows.mean() - size[0] // 4) < 2
    assert abs(columns.mean() - size[1] // 4) < 2
    assert abs((found.nuclei > 0).sum() / (4 * np.pi * 75**2) - 1) < 0.1


def test_8_and_16_bit_give_the_same_labels():
    made, _ = segmenter()
    eight, sixteen = made.segment(
        [FieldImage("a", discs(600, 600), 0.08), FieldImage("b", discs(600, 600, np.uint16), 0.08)]
    )
    assert np.array_equal(eight.cells, sixteen.cells)
    assert np.array_equal(eight.nuclei, sixteen.nuclei)


def test_fields_of_one_size_are_batched():
    made, (nuclei, _) = segmenter(batch=2)
    fields = [FieldImage(str(n), discs(600, 600), 0.08) for n in range(3)] + [
        FieldImage("w", discs(600, 800), 0.08)
    ]
    found = made.segment(fields)
    assert [shape[0] for shape in nuclei.shapes] == [2, 1, 1]
    assert [entry.cells.shape for entry in found] == [(600, 600)] * 3 + [(600, 800)]


def test_threads_do_not_change_the_labels():
    fields = [FieldImage(str(n), np.roll(discs(600, 600), 20 * n, 1), 0.08) for n in range(3)]
    one, three = segmenter(threads=1)[0].segment(fields), segmenter(threads=3)[0].segment(fields)
    assert all(np.array_equal(a.cells, b.cells) for a, b in zip(one, three, strict=True))


def test_channels_reach_their_networks():
    field = np.zeros((256, 256, 4), np.uint8)
    field[..., 0], field[..., 1], field[..., 2], field[..., 3] = 51, 255, 102, 204
    seen = []

    class Keep(Seen):
        def forward(self, images):
            seen.append(images[0, :, 50, 50].tolist())
            return super().forward(images)

    HpaDpnSegmenter(HpaDpnSettings(), LabellingSettings(), networks=(Keep(), Keep())).segment(
        [FieldImage("a", field, 0.32)]
    )
    assert np.allclose(seen, [[0.4, 0.4, 0.4], [0.2, 0.8, 0.4]])


def test_every_setting_has_an_effect():
    field = FieldImage("a", discs(600, 600), 0.08)
    at_field = segmenter(label_at="field")[0].segment([field])[0]
    at_network = segmenter(label_at="network")[0].segment([field])[0]
    assert at_network.cells.shape == (600, 600)
    assert not np.array_equal(at_field.cells, at_network.cells)
    overlap = ((at_field.cells > 0) & (at_network.cells > 0)).sum() / (
        (at_field.cells + at_network.cells) > 0
    ).sum()
    assert overlap > 0.85  # a line at the networks' size is four times as wide
    made, (nuclei, _) = segmenter(pixel_um=0.16)
    made.segment([field])
    assert nuclei.shapes == [(1, 3, 352, 352)]
    for wanted in (True, False):
        made, (nuclei, _) = segmenter(mixed_precision=wanted)
        made.segment([field])
        assert nuclei.autocast == [wanted]
    made, (nuclei, _) = segmenter()
    made.segment([field])
    assert nuclei.autocast == [False]


def test_swapped_sizes_squeeze_a_non_square_field():
    labelling = LabellingSettings(faults=PublishedFaults(sizes_swapped=True))
    field = FieldImage("a", discs(1000, 600), 0.08)
    right, swapped = (
        segmenter(labelling=entry)[0].segment([field])[0] for entry in (LabellingSettings(), labelling)
    )
    assert swapped.cells.shape == right.cells.shape == (1000, 600)
    assert not np.array_equal(right.cells, swapped.cells)


@pytest.mark.parametrize("label_at", ["network", "field"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 2)])
@pytest.mark.parametrize("value", [0, 255])
def test_fields_of_a_few_pixels(shape, value, label_at):
    made, _ = segmenter(label_at=label_at)
    (found,) = made.segment([FieldImage("a", np.full((*shape, 4), value, np.uint8), 0.08)])
    assert found.cells.shape == found.nuclei.shape == shape
    assert not found.cells.any()
    assert found.reason


def test_an_empty_field_gives_a_reason():
    made, _ = segmenter()
    (found,) = made.segment([FieldImage("a", np.zeros((300, 300, 4), np.uint8), 0.08)])
    assert not found.cells.any()
    assert "nucleus probability" in found.reason


@pytest.mark.parametrize("scale", [0.25, 0.4, 0.32 / 0.64])
def test_shrinking_equals_scikit_image(scale):
    image = np.random.default_rng(0).random((90, 121, 3)).astype(np.float32)
    expected = rescale(image, scale, channel_axis=-1, anti_aliasing=True, order=1)
    found = shrink(image, scale)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5  # float32
