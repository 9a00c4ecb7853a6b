import cv2
import numpy as np
import pytest

from puzzlecell.config.steps import Step2Settings
from puzzlecell.data.cell_crops import crop_geometry, cut_cells, fitting_canvas, pool_under
from puzzlecell.errors import UserError


def geometry(field_size=64, crop_size=32, **settings):
    return crop_geometry(Step2Settings(**settings), field_size, crop_size)


def one_box(size=64, box=(20, 30, 12, 20)):
    cells = np.zeros((size, size), np.uint16)
    cells[box[0] : box[1], box[2] : box[3]] = 5
    return cells


def noise(size=64):
    return np.random.default_rng(0).integers(1, 256, (size, size, 4), np.uint8)


def test_canvas_of_a_fixed_crop():
    assert geometry(512).canvas == 256
    assert geometry(192).canvas == 96
    assert geometry(100).canvas == 64
    assert geometry(512, crop=160).canvas == 160
    assert geometry(512, 384, scale="enlarged").canvas == 384


def test_canvases_of_a_network_with_patches_of_14_pixels():
    """Multiples of 28, and fitted ones of 14, so that what is cut off on both sides is whole."""
    settings = Step2Settings(canvas="fitted", margin=0)
    found = crop_geometry(settings, 518, 224, output_stride=14)
    assert found.canvas == 280
    sides = [
        fitting_canvas((518, 518), (slice(20, 20 + side), slice(0, 9)), found, 14)
        for side in (5, 28, 29, 43, 300)
    ]
    assert sides == [28, 28, 42, 56, 280]
    assert crop_geometry(Step2Settings(crop=224), 518, 224, output_stride=14).canvas == 224
    with pytest.raises(UserError, match=r"step2.crop: 256 is not divisible by 14, .* a multiple of 224"):
        crop_geometry(Step2Settings(crop=256), 518, 224, output_stride=14)


def test_a_fixed_crop_shows_the_pixels_of_the_field_unchanged():
    image = noise()
    crop = cut_cells(image, one_box(), geometry(margin=0, mask="outside"))[0][0]
    assert crop.shape == (32, 32, 4)
    expected = np.zeros((32, 32, 4), np.uint8)
    expected[11:21, 12:20] = image[20:30, 12:20]
    np.testing.assert_array_equal(crop, expected)


def test_an_enlarged_crop_fills_the_canvas():
    image = noise()
    crop = cut_cells(image, one_box(), geometry(margin=0, scale="enlarged", crop_size=40))[0][0]
    expected = cv2.resize(image[20:30, 12:20], (32, 40), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(crop[:, 4:36], expected)
    assert not crop[:, :4].any()
    assert not crop[:, 36:].any()


def test_a_cell_larger_than_the_canvas_is_shrunk_to_it():
    image = noise()
    cells = one_box(64, (0, 64, 10, 42))
    crop = cut_cells(image, cells, geometry(margin=0, mask="outside"))[0][0]
    expected = cv2.resize(image[:, 10:42], (16, 32), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(crop[:, 8:24], expected)


def test_margin_and_padding_show_more_of_the_field():
    image = noise()
    image[20:30, 12:20] = 255
    shown = {}
    for name, settings in {
        "bare": {"margin": 0.0},
        "margin": {"margin": 0.5},
        "field": {"margin": 0.0, "padding": "field"},
    }.items():
        crop = cut_cells(image, one_box(), geometry(mask="none", **settings))[0][0]
        shown[name] = np.count_nonzero(crop.any(axis=2))
    assert shown == {"bare": 80, "margin": 20 * 18, "field": 32 * 32}


@pytest.mark.parametrize(("mask", "kept"), [("none", {1, 2, 0}), ("others", {1, 0}), ("outside", {1})])
def test_mask_modes(mask, kept):
    cells = np.zeros((64, 64), np.uint16)
    cells[20:40, 20:30], cells[20:40, 32:40] = 1, 2
    image = np.repeat((cells * 50 + 20)[..., None], 4, axis=2).astype(np.uint8)
    crop = cut_cells(image, cells, geometry(margin=0, mask=mask, padding="field"))[0][0]
    assert set(np.unique(crop)) - {0} == {20 + 50 * value for value in kept}


def test_scale_does_not_depend_on_the_sizes_of_mask_and_image():
    """The same cell in a field of 64 pixels, and in one four times as large with a mask of half the size."""
    cells = one_box(64, (20, 32, 12, 20))
    small = cv2.GaussianBlur(noise(), (0, 0), 2)
    large = cv2.resize(small, (256, 256), interpolation=cv2.INTER_NEAREST)
    first = cut_cells(small, cells, geometry(margin=0.25))[0][0]
    again = cut_cells(large, cells[::2, ::2], geometry(margin=0.25))[0][0]
    np.testing.assert_array_equal(first, again)


def test_a_non_square_field_is_cropped_at_its_squeezed_scale():
    cells = one_box(64, (20, 32, 12, 20))
    small = noise()
    wide = cv2.resize(small, (256, 128), interpolation=cv2.INTER_NEAREST)
    plain, squeezed = (cut_cells(image, cells, geometry())[0][0] for image in (small, wide))
    np.testing.assert_array_equal(plain, squeezed)


@pytest.mark.parametrize("scale", ["fixed", "enlarged"])
@pytest.mark.parametrize(
    "box", [(0, 1, 0, 1), (63, 64, 63, 64), (0, 64, 0, 64), (0, 2, 0, 64), (30, 31, 5, 6)]
)
@pytest.mark.parametrize("padding", ["black", "field"])
def test_cells_at_the_border_and_of_one_pixel(scale, box, padding):
    image = noise()
    crop = cut_cells(image, one_box(64, box), geometry(scale=scale, mask="outside", padding=padding))[0][0]
    assert crop.any()
    nothing = cut_cells(image, np.zeros((64, 64), np.uint16), geometry())
    assert [array.shape for array in nothing] == [(0, 32, 32, 4), (0, 32, 32)]


@pytest.mark.parametrize("mask", ["none", "others", "outside"])
def test_the_share_marks_the_cell(mask):
    cells = one_box(64, (20, 30, 12, 20))
    cells[25, 15] = 0
    share = cut_cells(noise(), cells, geometry(margin=0, mask=mask))[1][0]
    expected = np.zeros((32, 32), np.uint8)
    expected[11:21, 12:20] = 255
    expected[16, 15] = 0
    np.testing.assert_array_equal(share, expected)


def test_pooling_under_the_cell():
    maps = np.arange(2 * 3 * 2 * 2, dtype=np.float32).reshape(2, 3, 2, 2)
    shares = np.zeros((2, 32, 32), np.uint8)
    shares[0, :16, :16] = 255
    shares[1, 16:, 16:], shares[1, 16:24, :16] = 255, 255
    found = pool_under(maps, shares)
    np.testing.assert_allclose(found[0], maps[0, :, 0, 0])
    np.testing.assert_allclose(found[1], (maps[1, :, 1, 1] + 0.5 * maps[1, :, 1, 0]) / 1.5, rtol=1e-6)
    np.testing.assert_allclose(pool_under(maps, 0 * shares), maps.mean(axis=(2, 3)), rtol=1e-6)
    whole = pool_under(maps, np.full((2, 32, 32), 255, np.uint8))
    np.testing.assert_allclose(whole, maps.mean(axis=(2, 3)), rtol=1e-6)
