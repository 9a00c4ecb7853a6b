import numpy as np
import pytest
from helpers.image_files import coloured, jpeg
from imagecodecs import jpeg8_decode

from puzzlecell.data.colour import HUES, single_channel

SPOTS = np.zeros((128, 128), np.uint8)
SPOTS[10:14, 10:60], SPOTS[70:100, 40:80] = 200, 90


@pytest.mark.parametrize("hue", [*HUES.values(), (1, 1, 1)])
@pytest.mark.parametrize("quality", [75, 95])
def test_an_image_in_one_colour_is_its_channel(hue, quality):
    image = coloured(SPOTS, hue)
    np.testing.assert_array_equal(single_channel(image), SPOTS)
    lossy = single_channel(jpeg8_decode(jpeg(image, quality)), lossy=True)
    # Subsampled colours blur the borders of the spots, brightness is kept.
    assert np.abs(lossy.astype(int) - SPOTS).mean() < 2


@pytest.mark.parametrize("hue", [(1, 0, 0), (0, 1, 0), (1, 1, 1)])
def test_a_weak_second_channel_is_not_dropped(hue):
    image = coloured(SPOTS, hue)
    image[..., 2] = SPOTS[::-1] // 8
    for lossy in (False, True):
        with pytest.raises(ValueError, match="uses several channels"):
            single_channel(image, lossy=lossy)
    image = coloured(SPOTS, hue)
    image[0, 0] = 255, 255, 0
    # A scale bar or a single pixel of another colour.
    with pytest.raises(ValueError, match="uses several channels"):
        single_channel(image, lossy=True)
