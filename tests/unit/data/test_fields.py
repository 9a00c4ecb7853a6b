import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d, map_coordinates
from skimage.transform import resize

from puzzlecell.data.fields import FieldError, check_field, read_field
from puzzlecell.data.intensity import intensity_range
from puzzlecell.data.png import PngError, read_header
from puzzlecell.data.raw_files import CHANNELS, channel_path
from puzzlecell.data.resize import reference_limits, resize_field


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


@pytest.mark.parametrize(("most", "odd"), [(np.uint8, np.uint16), (np.uint16, np.uint8)])
def test_a_channel_of_another_depth_is_refused(tmp_path, most, odd):
    write_field(tmp_path, "x", random_field(8, 8, most))
    cv2.imwrite(str(channel_path(tmp_path, "x", "green")), random_field(8, 8, odd)[..., 1])
    bits, others = np.iinfo(odd).bits, np.iinfo(most).bits
    with pytest.raises(
        FieldError, match=rf"^[^;]*x_green.png: {bits} bits per pixel, but red has {others} bits"
    ):
        read_field(tmp_path, "x")


def test_every_damaged_channel_is_named(tmp_path):
    write_field(tmp_path, "x", random_field(8, 8, np.uint8))
    for channel in ("red", "blue"):
        path = channel_path(tmp_path, "x", channel)
        content = bytearray(path.read_bytes())
        content[60] ^= 4
        path.write_bytes(content)
    with pytest.raises(FieldError, match=r"x_red.png: damaged.*x_blue.png: damaged"):
        read_field(tmp_path, "x")


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


def test_a_problem_of_all_channels_is_named_once(tmp_path):
    _, problems = check_field(tmp_path, "x")
    assert problems == [f"{tmp_path}/x_{{red,green,blue,yellow}}.png: file is missing"]


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
    with pytest.raises(PngError, match="colour PNG" if kind == "colour" else "not a PNG"):
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


def intensities(field, size):
    """The intensities of the field resized in one piece with SciPy, float64, 0 to 255."""
    unit = field.astype(np.float64) / intensity_range(field)
    for axis, side in enumerate(field.shape[:2]):
        sigma = max(0.0, (side / size - 1) / 2)
        unit = gaussian_filter1d(unit, sigma, axis, mode="mirror", truncate=4) if sigma else unit
    grid = [np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1) for side in field.shape[:2]]
    places = np.meshgrid(*grid, indexing="ij")
    channels = [map_coordinates(unit[..., channel], places, order=1, mode="nearest") for channel in range(4)]
    return 255 * np.stack(channels, axis=-1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("height", "width"),
    [
        (1, 1),
        (2, 3),
        (31, 200),
        (400, 29),
        (64, 64),
        (128, 128),
        (129, 131),
        (257, 65),
        (777, 513),
        (1030, 7),
    ],
)
def test_resizing_by_matrices_equals_smoothing_and_interpolating(height, width, dtype):
    field = random_field(height, width, dtype)
    for size in (32, 47, 64, 100):
        exact = intensities(field, size)
        # A thousandth of a grey level is added before the floor; float32 rounding is a few ten thousandths.
        lowest, highest = np.floor(exact + 5e-4), np.floor(exact + 1.5e-3)
        resized = resize_field(field, size)
        assert (lowest <= resized).all()
        assert (resized <= highest).all()


def test_channels_may_lie_in_memory_in_any_order():
    field = random_field(100, 80, np.uint16)
    planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(field, -1, 0)), 0, -1)
    np.testing.assert_array_equal(resize_field(planes, 32), resize_field(field, 32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("size", [32, 64])
def test_limits_become_the_darkest_and_the_brightest(dtype, size):
    """Equal to stretching the field by hand first; the channels differ, and one has no range."""
    field = random_field(64, 64, np.uint8).astype(dtype)
    limits = np.float32([[0, 255], [10, 200], [0, 100], [7, 7]])
    stretched = [
        np.clip((field[..., channel] - low) / max(1, high - low), 0, 1)
        for channel, (low, high) in enumerate(limits.astype(float))
    ]
    exact = intensities(np.stack(stretched, axis=-1), size)
    exact[..., 3] = 0
    resized = resize_field(field, size, limits)
    assert (np.floor(exact + 5e-4) <= resized).all()
    assert (resized <= np.floor(exact + 1.5e-3)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [16, 32, 48])
def test_without_limits_those_of_the_reference_count(dtype, size):
    field = random_field(32, 32, dtype)
    np.testing.assert_array_equal(
        resize_field(field, size), resize_field(field, size, reference_limits(field))
    )


PEAK = """
import sys
from puzzlecell.data.fields import read_field
from puzzlecell.data.resize import reference_limits, resize_field

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024

resize_field(read_field(sys.argv[1], "small"), 32)
before = peak()
resize_field(read_field(sys.argv[1], "large"), 256)
print(peak() - before)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the system does not tell the peak of memory"
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_large_field_takes_little_more_memory_than_its_pixels(tmp_path, dtype):
    write_field(tmp_path, "small", random_field(64, 64, dtype))
    large = np.zeros((3000, 3000, 4), dtype)
    large[::7, ::5] = 9
    write_field(tmp_path, "large", large)
    done = subprocess.run([sys.executable, "-c", PEAK, tmp_path], capture_output=True, text=True, check=True)
    # 9 times the memory of the four channels (16 bits: 5 times) if the field is converted in one piece.
    assert int(done.stdout) < 3 * large.nbytes
