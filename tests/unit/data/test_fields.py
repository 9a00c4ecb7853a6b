import cv2
import numpy as np
import pytest
from skimage.transform import resize

from puzzlecell.data.fields import (
    FieldError,
    check_field,
    intensity_range,
    read_field,
    read_header,
    resize_field,
)
from puzzlecell.data.raw_files import CHANNELS, channel_path


def write_field(folder, field_id, field):
    for number, channel in enumerate(CHANNELS):
        cv2.imwrite(str(channel_path(folder, field_id, channel)), field[..., number])


def random_field(height, width, dtype, seed=0):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, (height, width, 4), dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_written_field_is_read_back(tmp_path, dtype):
    field = random_field(20, 30, dtype)
    write_field(tmp_path, "x", field)
    read = read_field(tmp_path, "x")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, field)


def test_channels_of_different_depth_keep_their_values(tmp_path):
    field = random_field(8, 8, np.uint8)
    write_field(tmp_path, "x", field)
    cv2.imwrite(str(channel_path(tmp_path, "x", "green")), field[..., 1].astype(np.uint16) * 200)
    read = read_field(tmp_path, "x")
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read[..., 1], field[..., 1].astype(np.uint16) * 200)
    np.testing.assert_array_equal(read[..., 0], field[..., 0])


def test_every_problem_of_a_field_is_named(tmp_path):
    field = random_field(20, 30, np.uint8)
    write_field(tmp_path, "x", field)
    channel_path(tmp_path, "x", "red").unlink()
    green = channel_path(tmp_path, "x", "green")
    green.write_bytes(green.read_bytes()[:-20])
    cv2.imwrite(str(channel_path(tmp_path, "x", "yellow")), field[:10, :, 3])
    _, problems = check_field(tmp_path, "x")
    text = "\n".join(problems)
    assert "x_red.png: file is missing" in text
    assert "x_green.png: cut off" in text
    assert "x_yellow.png: 30 x 10 pixels, but blue has 30 x 20" in text
    with pytest.raises(FieldError, match=r"x_red.png.*x_green.png.*x_yellow.png"):
        read_field(tmp_path, "x")


def test_damage_inside_a_file_is_detected_on_reading(tmp_path):
    write_field(tmp_path, "x", random_field(64, 64, np.uint8))
    path = channel_path(tmp_path, "x", "blue")
    content = bytearray(path.read_bytes())
    content[60:1500] = b"\0" * 1440
    path.write_bytes(content)
    with pytest.raises(FieldError, match=r"x_blue.png: damaged"):
        read_field(tmp_path, "x")


@pytest.mark.parametrize("kind", ["colour", "text", "empty"])
def test_unsupported_files_are_refused(tmp_path, kind):
    path = tmp_path / "x_red.png"
    if kind == "colour":
        cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    else:
        path.write_text("" if kind == "empty" else "no picture at all, just a text that is long enough")
    with pytest.raises(FieldError, match="colour PNG" if kind == "colour" else "not a PNG"):
        read_header(path)


def test_intensity_range_follows_the_maximum_not_the_type():
    assert intensity_range(np.full((2, 2, 4), 255, np.uint16)) == 255
    assert intensity_range(np.full((2, 2, 4), 256, np.uint16)) == 65535


def test_sixteen_bit_files_with_eight_bit_values_are_stored_identically():
    field = random_field(64, 64, np.uint8)
    np.testing.assert_array_equal(resize_field(field, 32), resize_field(field.astype(np.uint16), 32))


def test_a_field_of_the_stored_size_keeps_its_values():
    field = random_field(32, 32, np.uint8)
    np.testing.assert_array_equal(resize_field(field, 32), field)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (108, 108), (192, 96), (64, 64)])
def test_resize_equals_scikit_image(height, width):
    field = random_field(height, width, np.uint16)
    field = cv2.GaussianBlur(field, (0, 0), 1.0)
    expected = resize(field / 65535.0, (32, 32, 4), order=1, anti_aliasing=height > 32)
    difference = resize_field(field, 32).astype(int) - np.floor(expected * 255 + 1e-3).astype(int)
    # Float32 and float64 may be truncated to different grey levels.
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.005


def test_a_small_field_is_enlarged_linearly():
    field = random_field(16, 16, np.uint8)
    expected = resize(field / 255.0, (32, 32, 4), order=1)
    difference = resize_field(field, 32).astype(int) - np.floor(expected * 255 + 1e-3).astype(int)
    # The outermost pixels lie outside the centres of the original: OpenCV repeats them, scikit-image mirrors them.
    assert np.abs(difference[1:-1, 1:-1]).max() <= 1
