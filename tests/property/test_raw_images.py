"""A damaged raw image has the same pixels as before, or is refused with its name."""

import cv2
import numpy as np
import pytest
from helpers.damage import damaged
from hypothesis import given
from hypothesis import strategies as st

from puzzlecell.data.fields import FieldError, read_field
from puzzlecell.data.raw_files import CHANNELS, channel_path


@pytest.fixture(scope="module", params=[np.uint8, np.uint16])
def field(request, tmp_path_factory):
    """Folder of a field of 40 x 48 pixels, the path and content of one of its files, and its pixels."""
    folder = tmp_path_factory.mktemp("raw")
    random = np.random.default_rng(3)
    for channel in CHANNELS:
        image = random.integers(0, np.iinfo(request.param).max, (40, 48)).astype(request.param)
        image[10:30] = 7
        cv2.imwrite(str(channel_path(folder, "a", channel)), image)
    path = channel_path(folder, "a", "green")
    return folder, path, path.read_bytes(), read_field(folder, "a")


@given(data=st.data())
def test_a_damaged_image_is_refused_or_read_as_before(field, data):
    folder, path, content, expected = field
    path.write_bytes(data.draw(damaged(content)))
    try:
        found = read_field(folder, "a")
    except FieldError as error:
        assert path.name in str(error)
    else:
        assert np.array_equal(found, expected)
