import numpy as np
import pandas as pd
import pytest
from helpers.scores import decode_mask
from scipy import ndimage

from puzzlecell.config.submission import MergeSettings
from puzzlecell.data.rle import encode_mask
from puzzlecell.data.submission_file import read_submission, triplets
from puzzlecell.ensemble.merge import merge_submissions
from puzzlecell.ensemble.smoothing import smoothed

SIDE = 40


def box(y, x, height=10, width=10):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y : y + height, x : x + width] = True
    return mask


def write(path, *detections, name="a"):
    text = " ".join(f"{index} {confidence} {encode_mask(mask)}" for index, confidence, mask in detections)
    pd.DataFrame(
        [(name, SIDE, SIDE, text)], columns=["ID", "ImageWidth", "ImageHeight", "PredictionString"]
    ).to_csv(path, index=False)
    return path


@pytest.fixture
def merged(tmp_path):
    def merge(*submissions, **settings):
        paths = [write(tmp_path / f"{number}.csv", *one) for number, one in enumerate(submissions)]
        merge_submissions(paths, tmp_path / "out.csv", MergeSettings(**settings))
        text = read_submission(tmp_path / "out.csv")["PredictionString"][0]
        return [
            (index, confidence, decode_mask(mask, SIDE, SIDE)) for index, confidence, mask in triplets(text)
        ]

    return merge


def test_nms_keeps_the_most_confident_of_each_class(merged):
    found = merged(
        [(0, 0.9, box(0, 0)), (1, 0.3, box(0, 0)), (0, 0.5, box(20, 20))],
        [(0, 0.8, box(1, 0)), (1, 0.4, box(1, 0))],
        method="nms",
    )
    assert [(index, confidence) for index, confidence, _ in found] == [(0, 0.9), (0, 0.5), (1, 0.4)]
    np.testing.assert_array_equal(found[0][2], box(0, 0))
    np.testing.assert_array_equal(found[2][2], box(1, 0))


def test_nms_weights_confidences(merged):
    found = merged([(0, 0.9, box(0, 0))], [(0, 0.8, box(1, 0))], method="nms", weights=[1, 2])
    assert [(index, confidence) for index, confidence, _ in found] == [(0, 0.8)]


def test_fusion_takes_the_majority_of_pixels_and_the_mean_of_confidences(merged):
    masks = [box(0, 0), box(0, 2), box(2, 0)]
    found = merged(
        [(0, 0.9, masks[0]), (2, 0.6, masks[0])],
        [(0, 0.6, masks[1])],
        [(0, 0.3, masks[2])],
        method="fusion",
        iou=0.4,
    )
    assert [(index, confidence) for index, confidence, _ in found] == [(0, 0.6), (2, 0.2)]
    for _, _, mask in found:
        np.testing.assert_array_equal(mask, np.sum(masks, axis=0) >= 2)


def test_fusion_is_weighted_and_the_first_submission_breaks_ties(merged):
    heavy = merged([(0, 0.2, box(0, 0))], [(0, 0.8, box(0, 2))], method="fusion", weights=[1, 3], iou=0.4)
    assert heavy[0][1] == pytest.approx(0.65)
    np.testing.assert_array_equal(heavy[0][2], box(0, 2))
    tie = merged([(0, 0.2, box(0, 0))], [(0, 0.8, box(0, 2))], method="fusion", iou=0.4)
    np.testing.assert_array_equal(tie[0][2], box(0, 0))


def test_cells_of_one_submission_are_not_merged_and_single_cells_are_kept(merged):
    found = merged([(0, 0.8, box(0, 0)), (0, 0.8, box(0, 1))], [(0, 0.4, box(0, 1)), (0, 0.4, box(30, 30))])
    assert sorted((confidence, int(mask.argmax())) for _, confidence, mask in found) == [
        (0.2, 30 * SIDE + 30),
        (0.4, 0),
        (0.6, 1),
    ]


def test_iou_decides_what_is_the_same_cell(merged):
    submissions = [(0, 0.8, box(0, 0))], [(0, 0.4, box(0, 2))]
    assert len(merged(*submissions, iou=0.6)) == 1
    assert len(merged(*submissions, iou=0.7)) == 2


def test_vote(merged):
    submissions = (
        [(0, 0.9, box(0, 0)), (1, 0.9, box(0, 0))],
        [(0, 0.7, box(0, 0)), (1, 0.4, box(0, 0))],
        [(0, 0.2, box(0, 0)), (1, 0.3, box(0, 0))],
    )
    assert [(i, c) for i, c, _ in merged(*submissions, method="vote")] == [(0, 0.8)]
    assert [(i, c) for i, c, _ in merged(*submissions, method="vote", yes=0.4)] == [(0, 0.8), (1, 0.65)]
    weighted = merged(*submissions, method="vote", weights=[3, 1, 1])
    assert [i for i, _, _ in weighted] == [0, 1]


@pytest.mark.parametrize("method", ["nms", "fusion", "vote"])
def test_equal_submissions_merge_to_themselves_and_empty_ones_to_a_valid_row(merged, method):
    same = [(0, 0.9, box(0, 0)), (1, 0.7, box(0, 0)), (0, 0.6, box(20, 3))]
    found = merged(same, same, same, method=method)
    key = lambda entry: (entry[0], -entry[1])  # noqa: E731
    for (index, confidence, mask), expected in zip(
        sorted(found, key=key), sorted(same, key=key), strict=True
    ):
        assert (index, confidence) == expected[:2]
        np.testing.assert_array_equal(mask, expected[2])
    nothing = merged([], [], method=method)
    assert [(index, confidence, mask.any()) for index, confidence, mask in nothing] == [(0, 0, False)]
    assert merged([], same, method=method, weights=[1, 9])[0][0] == 0


def test_fused_masks_are_smoothed(merged):
    """A spur of two pixels goes; the border of the field does not erode; a thin mask stays, so that none is lost."""
    with_spur = box(0, 5)
    with_spur[3:5, 15:22] = True
    thin = box(20, 5, height=2)
    cells = [(0, 0.9, with_spur), (0, 0.8, thin), (0, 0.7, box(30, 30))]
    for smooth, expected in ((True, [box(0, 5), thin, box(30, 30)]), (False, [with_spur, thin, box(30, 30)])):
        found = merged(cells, cells, smooth=smooth)
        for (_, _, mask), right in zip(found, expected, strict=True):
            np.testing.assert_array_equal(mask, right)
    with pytest.raises(ValueError, match="only fused masks are smoothed"):
        MergeSettings(method="nms", smooth=True)


def test_smoothing_is_the_opening_of_the_whole_field():
    random = np.random.default_rng(3)
    # Blobs at all borders, with runs that go from the foot of one column to the head of the next.
    mask = ndimage.gaussian_filter(random.random((SIDE, 30)), 1.2) > 0.5
    edges = np.flatnonzero(np.diff(mask.T.ravel().astype(np.int8), prepend=0, append=0))
    starts, ends = smoothed((edges[::2], edges[1::2]), SIDE, 30)
    found = np.zeros(mask.size, bool)
    for start, end in zip(starts, ends, strict=True):
        found[start:end] = True
    square = np.ones((3, 3))
    eroded = ndimage.binary_erosion(mask, square, border_value=1)
    expected = ndimage.binary_dilation(eroded, square)
    assert mask.sum() > expected.sum() > 0
    np.testing.assert_array_equal(found.reshape(30, SIDE).T, expected)


def test_submissions_that_cannot_be_merged_are_refused(tmp_path):
    one, other = write(tmp_path / "1.csv"), write(tmp_path / "2.csv", name="b")
    for paths, settings, message in (
        ([one], {}, "at least two"),
        ([one, one], {"weights": (1.0, 2.0, 3.0)}, "3 weights for 2"),
        ([one, other], {}, "same fields"),
    ):
        with pytest.raises(ValueError, match=message):
            merge_submissions(paths, tmp_path / "out.csv", MergeSettings(**settings))
    broken = tmp_path / "3.csv"
    broken.write_text("ID,ImageWidth,ImageHeight,PredictionString\na,40,40,0 1 AAAA\n")
    with pytest.raises(ValueError, match=r"3\.csv: field a: expected a mask"):
        merge_submissions([one, broken], tmp_path / "out.csv", MergeSettings())
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(ValueError, match="above 0"):
        MergeSettings(weights=(1.0, 0.0))
