"""Mixed channels: what the canvas computes, compared with plain arithmetic."""

import numpy as np
import pytest
from helpers.gallery import picture

GREY = (200, 100, 40, 60)
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]]) / 255
MIX = """([grey, weights, on, ranges]) => {
  const source = document.createElement("canvas");
  source.width = 32;
  source.height = 8;
  const pen = source.getContext("2d");
  grey.forEach((value, k) => { pen.fillStyle = `rgb(${value} ${value} ${value})`; pen.fillRect(8 * k, 0, 8, 8); });
  const target = document.createElement("canvas");
  target.width = target.height = 16;
  const context = target.getContext("2d");
  puzzlecell.pictures.mix(context, source, { side: 8, to: [0, 0, 16, 16], channels: { weights, on }, ranges });
  target.id = "mixed";
  target.style.cssText = "position: fixed; left: 0; top: 0; z-index: 99";
  document.body.append(target);
}"""


@pytest.mark.parametrize(
    ("weights", "on", "ranges"),
    [
        ((1, 1, 1, 1), (1, 1, 1, 1), None),
        ((0.5, 0.25, 2, 0), (1, 1, 1, 1), None),
        ((1, 2.5, 3, 1), (0, 1, 1, 0), None),
        ((1, 1, 1, 1), (0, 1, 0, 0), None),
        ((4, 4, 4, 4), (1, 1, 1, 1), None),
        ((1, 1, 1, 1), (1, 1, 1, 0), [(0.5, 0.1), (1.5, 0.2), (1, -0.1), (1, 0)]),
        ((0, 0, 0, 0), (1, 1, 1, 1), None),
    ],
)
def test_mixed_colour(page, weights, on, ranges):
    shown = [bool(o and w) for o, w in zip(on, weights, strict=True)]
    colours = COLOURS if sum(shown) > 1 else np.ones((4, 3))
    expected = np.zeros(3)
    for k in range(4):
        gain, base = ranges[k] if ranges else (1, 0)
        value = (GREY[k] / 255 * gain + max(base, 0)) * weights[k]
        expected += shown[k] * colours[k] * value
    page.evaluate(MIX, [GREY, weights, [bool(o) for o in on], ranges])
    mixed = picture(page.locator("#mixed"))[8, 8, ::-1]
    # Each pass rounds to whole grey levels.
    np.testing.assert_allclose(mixed, np.clip(expected * 255, 0, 255), atol=4)


def test_common_range_brings_fields_to_the_same_grey_levels(page):
    """A field displayed from 10 to 110 and one from 30 to 80 show the stored grey level 60 equally."""
    values = page.evaluate("""async () => {
      const table = await puzzlecell.table.load();
      const { fields } = table;
      fields.black.set([10, 10, 10, 10, 30, 30, 30, 30]);
      fields.white.set([110, 110, 110, 110, 80, 80, 80, 80]);
      return [0, 1].map(field => puzzlecell.pictures.ranges(table, field, { scale: "common" })[1]);
    }""")
    grey = [(60 - 10) / 100, (60 - 30) / 50]
    shown = [gain * own + base for (gain, base), own in zip(values, grey, strict=True)]
    assert shown[0] == pytest.approx(shown[1])
    assert (
        page.evaluate("puzzlecell.pictures.ranges(puzzlecell.table.current, 0, { scale: 'field' })") is None
    )
