"""Real fields with a known pixel size are plausible; with a wrong pixel size they are not."""

import pandas as pd
import pytest
from helpers.paths import SHARED

from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.data.field_summary import contrast, summarise
from puzzlecell.data.fields import read_field
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.plausibility import dataset_findings, field_findings
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.resize import resize_field
from puzzlecell.segmentation.base import FieldImage, Resources
from puzzlecell.segmentation.cell_table import cell_table
from puzzlecell.segmentation.factory import make_segmenter

FIELDS = SHARED / "real_fields"
PIXEL_UM = 0.32

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FIELDS.is_dir(), reason=f"no folder {FIELDS}: the real fields are missing"),
]


@pytest.fixture(scope="module")
def images():
    names = sorted(path.name.removesuffix("_red.png") for path in FIELDS.glob("*_red.png"))[:8]
    return {name: read_field(FIELDS, name) for name in names}


def summary(images, pixel_um):
    settings = SegmentationSettings()
    fields = [FieldImage(name, image, pixel_um) for name, image in images.items()]
    found = make_segmenter(settings, Resources()).segment(fields)
    tables, no_cells, rows = [], {}, {}
    for field, labels in zip(fields, found, strict=True):
        height, width = field.image.shape[:2]
        tables.append(
            cell_table(
                field.field_id,
                field.image,
                labels.cells,
                labels.nuclei,
                settings.quality,
                height=height,
                width=width,
            )
        )
        if labels.reason:
            no_cells[field.field_id] = labels.reason
        levels = contrast(resize_field(field.image, 512)).tolist()
        rows[field.field_id] = {"height": height, "width": width, "bit_depth": 8} | dict(
            zip(CHANNELS, levels, strict=True)
        )
    stored = pd.DataFrame.from_dict(rows, orient="index")
    return summarise("real", PixelSizes(pixel_um), stored, [(pd.concat(tables, ignore_index=True), no_cells)])


def test_real_fields_are_plausible(images):
    found = summary(images, PIXEL_UM)
    settings = PlausibilitySettings()
    assert field_findings(found, settings) == dataset_findings(found, settings) == []


@pytest.mark.parametrize("factor", [1 / 8, 1 / 4, 4])
def test_a_wrong_pixel_size_is_found(images, factor):
    findings = dataset_findings(summary(images, factor * PIXEL_UM), PlausibilitySettings())
    assert findings
    assert "datasets.real.pixel_size_um may be wrong" in findings[0].what
