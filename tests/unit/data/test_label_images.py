"""Label images: resizing, renumbering, smoothing, and assigning nuclei to cells."""

import cv2
import numpy as np
import pytest

from puzzlecell.data.label_images import number_by_cell, reshape_each, resize_label_image, tidy


def test_resized_labels_keep_their_shapes():
    labels = np.zeros((20, 30), np.uint16)
    rows, columns = np.mgrid[:20, :30]
    labels[np.hypot(rows - 9.5, columns - 8) < 6] = 3
    labels[np.hypot(rows - 9.5, columns - 20) < 6.2] = 9
    grown = resize_label_image(labels, (160, 240))
    assert set(np.unique(grown)) == {0, 3, 9}
    large_rows, large_columns = (np.mgrid[:160, :240] + 0.5) / 8 - 0.5
    disc = np.hypot(large_rows - 9.5, large_columns - 8) < 6
    overlap = ((grown == 3) & disc).sum() / ((grown == 3) | disc).sum()
    assert overlap > 0.92
    nearest = np.repeat(np.repeat(labels == 3, 8, 0), 8, 1)
    assert overlap > (nearest & disc).sum() / (nearest | disc).sum()
    assert np.array_equal(resize_label_image(grown, (20, 30)) > 0, labels > 0)
    np.testing.assert_array_equal(resize_label_image(labels, (20, 30)), labels)
    with pytest.raises(ValueError, match="16 bits"):
        resize_label_image(np.full((2, 2), 70_000), (4, 4))


def test_tidy_renumbers_cells_and_clips_nuclei():
    cells = np.zeros((12, 12), np.uint16)
    cells[1:5, 1:5], cells[8, 8], cells[6:10, 1:4] = 7, 7, 300
    nuclei = np.zeros_like(cells)
    nuclei[2:4, 2:7], nuclei[7, 2], nuclei[8, 8], nuclei[11, 11] = 7, 7, 7, 5
    ordered, kernels = tidy(cells, nuclei)
    assert set(np.unique(ordered)) == {0, 1, 2}
    assert ordered[8, 8] == 0
    assert (ordered == 1).sum() == 16
    assert (kernels == 1).sum() == 6
    assert set(np.unique(kernels)) == {0, 1}


def test_labels_are_opened_and_closed_individually():
    labels = np.zeros((40, 40), np.int32)
    labels[0:20, 0:20], labels[8, 20:30], labels[24:38, 5:35] = 1, 1, 2
    labels[24:30, 18:21] = 0
    opened = reshape_each(labels, cv2.MORPH_OPEN, 3)
    assert not opened[8, 25]
    assert opened[0, 0] == opened[0, 19 // 2] == 1  # the field's border is not an edge
    closed = reshape_each(labels, cv2.MORPH_CLOSE, 3)
    assert closed[27, 19] == 2
    assert (closed[labels > 0] == labels[labels > 0]).all()
    assert reshape_each(labels, cv2.MORPH_OPEN, 0.4) is labels


def test_nuclei_are_assigned_to_the_cell_that_covers_them():
    cells = np.zeros((10, 20), np.uint16)
    cells[:, :8], cells[:, 8:16] = 4, 9
    nuclei = np.zeros((10, 20), np.uint16)
    nuclei[2:6, 2:6], nuclei[2:6, 7:13], nuclei[7:9, 15:19] = 1, 2, 3
    numbered, apart = number_by_cell(nuclei, cells)
    assert apart == [3]
    assert (numbered[2:6, 2:6] == 4).all()
    assert (numbered[2:6, 8:13] == 9).all()
    assert not numbered[2:6, 7].any()
    assert not numbered[7:9].any()
