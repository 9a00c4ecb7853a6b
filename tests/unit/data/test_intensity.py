import numpy as np
import pytest
from pydantic import ValidationError

from puzzlecell.config.intensity import IntensitySettings
from puzzlecell.data.intensity import IntensityError, intensity_limits, to_unit
from puzzlecell.data.resize import resize_field


def noise(dtype, top, shape=(64, 80, 4), seed=0):
    return (np.random.default_rng(seed).random(shape) ** 3 * top).astype(dtype)


@pytest.mark.parametrize(
    ("settings", "field", "high"),
    [
        ({}, np.full((2, 2, 4), 255, np.uint16), [255] * 4),
        ({}, np.full((2, 2, 4), 256, np.uint16), [65535] * 4),
        ({}, np.ones((2, 2, 4), np.float32), [1] * 4),
        ({"rule": "depth", "bits": 12}, np.full((2, 2, 4), 4095, np.uint16), [4095] * 4),
        ({"rule": "depth", "bits": [8, 12, 16, 10]}, np.ones((2, 2, 4), np.uint16), [255, 4095, 65535, 1023]),
        ({"rule": "depth", "maximum": 900}, np.full((2, 2, 4), 4095, np.uint16), [900] * 4),
        ({"rule": "depth", "maximum": [1, 2, 3, 4]}, np.full((2, 2, 4), 8, np.float32), [1, 2, 3, 4]),
    ],
)
def test_limits_that_do_not_depend_on_the_channel(settings, field, high):
    limits = intensity_limits(field, IntensitySettings(**settings))
    np.testing.assert_array_equal(limits, np.array([[0, top] for top in high], np.float32), strict=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_percentiles_of_each_channel(dtype):
    field = noise(dtype, 250)
    settings = IntensitySettings(rule="percentiles", low=[0, 1, 2, 50], high=[100, 99, 97.3, 99.9])
    limits = intensity_limits(field, settings)
    for channel, ends in enumerate(zip(settings.low, settings.high, strict=True)):
        np.testing.assert_allclose(limits[channel], np.percentile(field[..., channel], ends), rtol=1e-6)
    stored = resize_field(field, 64, limits)
    assert stored.reshape(-1, 4).max(0).tolist() == [255] * 4 or stored.max() >= 250


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("level", [0, 7])
def test_a_channel_without_a_stain_stays_dark(dtype, level):
    field = noise(dtype, 250)
    field[..., 1] = level
    field[..., 2] = level
    field[::3, ::2, 2] = level + 1
    limits = intensity_limits(field, IntensitySettings(rule="percentiles"))
    stored = resize_field(field, 64, limits)
    assert stored[..., 1].max() == 0
    # One grey level is a 16th of the smallest range, or less.
    assert stored[..., 2].max() <= 255 / 10
    black = np.zeros((8, 8, 4), dtype)
    assert not resize_field(black, 8, intensity_limits(black, IntensitySettings(rule="percentiles"))).any()


@pytest.mark.parametrize(
    ("settings", "field", "message"),
    [
        ({}, np.full((2, 2, 4), 1.5, np.float32), "up to 1.5; the reference rule takes 0 to 1: set"),
        (
            {"rule": "depth", "bits": 10},
            np.full((2, 2, 4), 1024, np.uint16),
            "red channel has a pixel of 1024",
        ),
        ({"rule": "depth", "bits": 10}, np.ones((2, 2, 4), np.float32), "have no bits"),
    ],
)
def test_intensities_that_do_not_fit_the_rule_are_refused(settings, field, message):
    with pytest.raises(IntensityError, match=message):
        intensity_limits(field, IntensitySettings(**settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "depth"}, "needs either bits or maximum"),
        ({"rule": "depth", "bits": 8, "maximum": 9}, "needs either bits or maximum"),
        ({"bits": 12}, "bits has no effect with rule: reference"),
        ({"rule": "percentiles", "maximum": 9}, "maximum has no effect with rule: percentiles"),
        ({"rule": "percentiles", "low": 60, "high": [50, 99, 99, 99]}, "must be below high"),
        ({"rule": "depth", "bits": [8, 8]}, "bits"),
        ({"rule": "depth", "bits": [8, 8, 8, 17]}, "expected 1 to 16"),
        ({"rule": "depth", "maximum": 0}, "expected more than 0"),
        ({"rule": "percentiles", "high": 101}, "percentiles of 0 to 100"),
        ({"rule": "percentiles", "low": -1}, "percentiles of 0 to 100"),
        ({"rule": "brightest"}, "rule"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        IntensitySettings(**settings)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_reference_limits_change_nothing(dtype):
    field = noise(dtype, np.iinfo(dtype).max)
    limits = intensity_limits(field, IntensitySettings())
    np.testing.assert_array_equal(to_unit(field, limits), to_unit(field))
    np.testing.assert_array_equal(resize_field(field, 32, limits), resize_field(field, 32))


def test_limits_are_those_of_each_channel():
    field = np.full((1, 1, 4), 30, np.uint8)
    unit = to_unit(field, np.array([[0, 60], [30, 60], [0, 20], [40, 50]], np.float32))
    assert unit[0, 0].tolist() == [0.5, 0, 1, 0]
