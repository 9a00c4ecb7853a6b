"""The classical segmenter on whole real fields, against the cells that the HPA segmenter found."""

import cv2
import numpy as np
import pytest
from helpers.paths import SHARED
from helpers.segmentation_data import in_order, segmented

from puzzlecell.data.fields import read_field

FIELDS, MASKS = SHARED / "hpa_fields", SHARED / "cell_masks"
PIXEL_UM = 0.08
# Mean of the best IoU of each true cell, as the field is and dimmed from one side to the other: measured less 0.02. One
# true cell of the third field has a best IoU of 0.61, so that one cell of a field may be missed.
LEAST = {
    "000a6c98-bb9b-11e8-b2b9-ac1f6b6435d0": (0.91, 0.895),
    "a7faf0b4-bb99-11e8-b2b9-ac1f6b6435d0": (0.90, 0.845),
    "b6a469d8-bbad-11e8-b2ba-ac1f6b6435d0": (0.84, 0.83),
}

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not MASKS.is_dir(), reason=f"no folder {MASKS}: the masks of real fields are missing"),
]


def best_iou(found, truth):
    """Largest IoU of each true cell with any cell found."""
    truth = np.unique(truth, return_inverse=True)[1].reshape(truth.shape)
    both = np.zeros((found.max() + 1, truth.max() + 1))
    np.add.at(both, (found.ravel(), truth.ravel()), 1)
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    return (both / union)[1:, 1:].max(axis=0)


@pytest.mark.parametrize("name", LEAST)
@pytest.mark.parametrize("dimmed", [False, True], ids=["as it is", "dimmed"])
def test_cells_of_real_fields_are_found(name, dimmed):
    image = read_field(FIELDS, name)
    truth = cv2.imread(str(MASKS / f"{name}_predictedmask.png"), cv2.IMREAD_UNCHANGED)
    if dimmed:
        slope = np.linspace(1, 0.25, image.shape[1])[:, None]
        image[..., [0, 3]] = np.round(image[..., [0, 3]] * slope)
    found = segmented(image, PIXEL_UM)
    in_order(found.cells, found.nuclei)
    best = best_iou(found.cells, truth)
    assert (best > 0.6).sum() >= len(best) - 1, best
    assert best.mean() >= LEAST[name][dimmed], best
