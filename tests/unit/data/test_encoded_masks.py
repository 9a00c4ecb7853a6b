"""Encoded masks from elsewhere: faults, and texts that expand to more than a mask of their field can be."""

import base64
import tracemalloc
import zlib

import numpy as np
import pytest
from helpers.scores import decode_mask
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from puzzlecell.data import iou, rle
from puzzlecell.data.iou import mask_iou, mask_runs, runs_of_masks
from puzzlecell.data.rle import MaskError, decode_runs, encode_mask, masks_of, most_characters

# pycocotools returns arrays from a class whose __array__ lacks a keyword of numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def packed(counts: bytes, after: bytes = b"") -> str:
    return base64.b64encode(zlib.compress(counts, 9) + after).decode()


GOOD = encode_mask(np.eye(6, dtype=bool))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it is cut off"),
        ("not base64!", "base64"),
        ("é", "base64"),
        ("AAAA", "zlib"),
        (GOOD[:-4], "it is cut off"),
        (GOOD[: len(GOOD) // 8 * 4], "it is cut off"),
        (base64.b64encode(base64.b64decode(GOOD) + b"x").decode(), "more data follows it"),
        (packed(b""), "not compressed COCO run lengths"),
        (packed(b"\x01\x02"), "not compressed COCO run lengths"),
        (packed(b"\xff"), "not compressed COCO run lengths"),
        (packed(b"P"), "not compressed COCO run lengths"),
        (packed(b"o" * 9 + b"0"), "more than 40 bits"),
        (packed(b"0" * 53), "a mask has 53 runs, but its field only 36 pixels"),
        (packed(b"0" * 10**6), "expands to more than 56 characters"),
        # 10, -2 in one group, 28 in two.
        (packed(bytes([48 + 10, 48 + 30, 48 + 60, 48])), "the runs of a mask cover 36 pixels"),
        (encode_mask(np.eye(7, dtype=bool)), "runs of a mask cover 49 pixels, but the field has 6 x 6 = 36"),
    ],
)
def test_faults_are_explained(text, expected):
    with pytest.raises(MaskError, match=expected):
        decode_runs(text, 6, 6)


@pytest.mark.parametrize("counts", [[10, 0, 26], [0, 36, 0], [36, 0]])
def test_empty_runs_of_other_encoders_are_read(counts):
    text = packed(coco.frPyObjects({"counts": counts, "size": [6, 6]}, 6, 6)["counts"])
    assert decode_runs(text, 6, 6).tolist() == counts


@pytest.mark.parametrize("shape", [(9, 7), (1, 1), (64, 64), (3, 5000)])
def test_the_longest_masks_are_within_the_limit(shape):
    checkerboard = np.indices(shape).sum(0) % 2 == 1
    striped = np.arange(shape[0] * shape[1]).reshape(shape) // 16 % 2 == 0
    noise = np.random.default_rng(0).uniform(size=shape) < 0.5
    for mask in (checkerboard, ~checkerboard, striped, noise):
        assert np.array_equal(decode_mask(encode_mask(mask), *shape), mask)
        assert len(coco.encode(np.asfortranarray(mask, np.uint8))["counts"]) <= most_characters(mask.size)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=40), st.booleans())
def test_no_run_lengths_are_longer_than_the_limit(counts, leading_zero):
    counts = [0, *counts] if leading_zero else counts
    text = coco.frPyObjects({"counts": counts, "size": [1, sum(counts)]}, 1, sum(counts))["counts"]
    assert len(text) <= most_characters(sum(counts))
    assert decode_runs(packed(text), 1, sum(counts)).tolist() == counts


@pytest.mark.parametrize("character", [b"0", b"o"])
@pytest.mark.parametrize("side", [2048, 100_000])
def test_a_short_text_that_expands_far_takes_little_memory(character, side):
    text = packed(character * 50_000_000)
    assert len(text) < 70_000
    tracemalloc.start()
    try:
        with pytest.raises(MaskError, match="expands to more than"):
            decode_runs(text, side, side)
        assert tracemalloc.get_traced_memory()[1] < 120e6
    finally:
        tracemalloc.stop()


def test_as_many_runs_as_allowed_take_little_memory():
    """A text that expands to just what the field allows: 8 bytes for each run, and blocks."""
    pixels = 2_000_000
    counts = [0, *[1] * pixels]
    text = packed(coco.frPyObjects({"counts": counts, "size": [1, pixels]}, 1, pixels)["counts"])
    assert len(text) < 4000
    tracemalloc.start()
    try:
        assert decode_runs(text, 1, pixels).tolist() == counts
        assert tracemalloc.get_traced_memory()[1] < 130e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("block", [3, 4, 7, 64])
def test_blocks_of_run_lengths_do_not_matter(monkeypatch, block):
    mask = np.random.default_rng(1).uniform(size=(300, 5)) < 0.02
    text = encode_mask(mask)
    whole = decode_runs(text, 300, 5)
    monkeypatch.setattr(rle, "_BLOCK", block)
    np.testing.assert_array_equal(decode_runs(text, 300, 5), whole)


@pytest.mark.parametrize("block", [1, 10, 100])
def test_blocks_of_overlaps_do_not_matter(monkeypatch, block):
    random = np.random.default_rng(2)
    runs = [mask_runs(encode_mask(random.uniform(size=(20, 30)) < 0.4), 20, 30) for _ in range(7)]
    whole = mask_iou(runs[:3], runs[3:])
    monkeypatch.setattr(iou, "_BLOCK", block)
    np.testing.assert_array_equal(mask_iou(runs[:3], runs[3:]), whole)


def test_all_masks_of_a_field_have_a_limit(monkeypatch):
    masks = [np.roll(np.indices((32, 32)).sum(0) % 2 == 1, shift) for shift in range(2)]
    texts = [encode_mask(mask) for mask in masks] * 3
    assert list(runs_of_masks(texts, 32, 32)) == texts[:2]
    monkeypatch.setattr(iou, "MOST_RUNS", 900)
    with pytest.raises(MaskError, match="more than 900 runs in all, too many for a field of 32 x 32"):
        runs_of_masks(texts, 32, 32)


def test_the_place_comes_first():
    with pytest.raises(MaskError, match=r"^t\.csv: field a: expected a mask"), masks_of("t.csv: field a"):
        decode_runs("AAAA", 2, 2)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet=[chr(code) for code in range(46, 114)], max_size=12), st.integers(1, 5))
def test_any_run_lengths_are_a_mask_or_refused(counts, side):
    try:
        runs = decode_runs(packed(counts.encode()), side, side)
    except MaskError:
        return
    assert (runs >= 0).all()
    expected = coco.decode({"counts": counts.encode(), "size": [side, side]})
    assert np.array_equal(decode_mask(packed(counts.encode()), side, side), expected)
