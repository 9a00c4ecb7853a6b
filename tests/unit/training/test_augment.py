import random

import albumentations
import cv2
import numpy as np
import pytest

from puzzlecell.config.augmentation import (
    LIGHT,
    NONE,
    REFERENCE,
    AugmentationSettings,
    BlurSettings,
    GeometrySettings,
    NoiseSettings,
    ToneSettings,
    augmentation_settings,
)
from puzzlecell.training.augment import Augmenter, blur, geometry, noise, random_crop, tone
from puzzlecell.training.transforms import PixelNoise, QuarterTurn, SmoothElastic, smoothed

GROUPS = {
    "noise": (noise, NoiseSettings),
    "geometry": (geometry, GeometrySettings),
    "blur": (blur, BlurSettings),
    "tone": (tone, ToneSettings),
}
EACH = [
    (group, weight)
    for group, (_, settings) in GROUPS.items()
    for weight in settings.model_fields
    if weight.endswith("_weight")
]


@pytest.fixture(scope="module")
def field():
    """A smooth field with different values in each channel, so that mixed-up channels would show."""
    generator = np.random.default_rng(0)
    channels = [cv2.GaussianBlur(generator.normal(0, 1, (96, 96)), (0, 0), 4) for _ in range(4)]
    scaled = [(c - c.min()) / (c.max() - c.min()) * 40 + 20 + 50 * i for i, c in enumerate(channels)]
    return np.stack(scaled, axis=-1).astype(np.uint8)


def only(group, weight, **changes):
    """Settings of a group in which only one transform is chosen, always."""
    settings = GROUPS[group][1]
    weights = {name: 0.0 for name in settings.model_fields if name.endswith("_weight")}
    return NONE.model_copy(update={group: settings(p=1, **{**weights, weight: 1.0}, **changes)})


@pytest.mark.parametrize(("group", "weight"), EACH)
def test_each_transform_keeps_type_shape_and_channels(group, weight, field):
    augmenter = Augmenter(only(group, weight), 64, seed=1)
    for position in range(3):
        out = augmenter(field, 0, position)
        assert out.shape == (64, 64, 4)
        assert out.dtype == np.uint8
        # Each channel is brighter than the one before: none is lost, copied or exchanged.
        assert (np.diff(out.mean((0, 1))) > 10).all()


@pytest.mark.parametrize(("group", "weight"), [each for each in EACH if each[1] != "elastic_weight"])
def test_each_transform_changes_the_field(group, weight, field):
    augmenter = Augmenter(only(group, weight), 96, seed=1)
    assert any(not np.array_equal(augmenter(field, 0, position), field) for position in range(3))


@pytest.mark.parametrize(
    ("group", "weight", "changes"),
    [
        ("noise", "gauss_weight", {"gauss_variance": (400, 400)}),
        ("noise", "dropout_weight", {"dropout_holes": 1}),
        ("noise", "dropout_weight", {"dropout_size": 3}),
        ("noise", "additive_weight", {"additive_std": (0.2, 0.2)}),
        ("geometry", "grid_weight", {"grid_steps": 2}),
        ("geometry", "grid_weight", {"grid_limit": 0.05}),
        ("geometry", "shift_scale_rotate_weight", {"shift": 0.5}),
        ("geometry", "shift_scale_rotate_weight", {"scale": 0.5}),
        ("geometry", "shift_scale_rotate_weight", {"rotate": 0}),
        ("geometry", "elastic_weight", {"elastic_alpha": 300}),
        ("geometry", "optical_weight", {"optical_limit": 0.5}),
        ("geometry", "shear_weight", {"shear": (30, 30)}),
        ("blur", "gaussian_weight", {"gaussian_kernel": (9, 9)}),
        ("blur", "gaussian_weight", {"gaussian_sigma": (3, 3)}),
        ("blur", "motion_weight", {"motion_kernel": (11, 11)}),
        ("blur", "median_weight", {"median_kernel": (15, 15)}),
        ("tone", "gamma_weight", {"gamma": (300, 300)}),
        ("tone", "brightness_contrast_weight", {"brightness": 0.9}),
        ("tone", "brightness_contrast_weight", {"contrast": 0.9}),
    ],
)
def test_each_setting_of_a_transform_has_an_effect(group, weight, changes, field):
    plain, changed = (Augmenter(only(group, weight, **given), 96, seed=1) for given in ({}, changes))
    assert any(not np.array_equal(plain(field, 0, n), changed(field, 0, n)) for n in range(3))


@pytest.mark.parametrize("factor", range(4))
def test_quarter_turns_equal_numpy(factor, field):
    assert np.array_equal(QuarterTurn().apply(field, factor=factor), np.rot90(field, factor))


@pytest.mark.parametrize("shared", [False, True])
def test_noise_has_the_distribution_of_albumentations(shared):
    grey = np.full((256, 256, 4), 100, np.uint8)
    theirs = albumentations.AdditiveNoise(
        "gaussian",
        "shared" if shared else "per_pixel",
        {"mean_range": (0, 0), "std_range": (0.04, 0.04)},
        p=1,
    )
    pictures = []
    for transform in (theirs, PixelNoise((0.04 * 255, 0.04 * 255), shared)):
        transform.set_random_state(np.random.default_rng(1), random.Random(1))
        pictures.append(transform(image=grey)["image"].astype(float) - 100)
    for grain in pictures:
        # albumentations truncates the noise to whole numbers, which makes it slightly weaker.
        assert grain.mean() == pytest.approx(0, abs=0.6)
        np.testing.assert_allclose(grain.std((0, 1)), 0.04 * 255, rtol=0.06)
        correlation = np.corrcoef(grain.reshape(-1, 4).T)[0, 1]
        assert correlation == pytest.approx(1 if shared else 0, abs=0.02)


def test_noise_is_clipped_to_the_range():
    image = np.zeros((64, 64, 4), np.uint8)
    image[:32] = 255
    transform = PixelNoise((30, 30), shared=False)
    transform.set_random_state(np.random.default_rng(1), random.Random(1))
    out = transform(image=image)["image"]
    assert out[:32].min() > 90
    assert out[32:].max() < 200
    assert (out[:32] == 255).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("sigma", [16, 50])
def test_noise_smoothed_on_a_grid_equals_noise_smoothed_at_every_pixel(sigma):
    noise = np.random.default_rng(1).standard_normal((384, 192)).astype(np.float32)
    plain = cv2.GaussianBlur(noise, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    difference = np.abs(smoothed(noise, sigma) - plain)
    assert difference[sigma:-sigma, sigma:-sigma].max() < 0.05 * plain.std()
    # At the border, where noise is strongest, the last grid point is repeated.
    assert difference.max() < 0.1 * np.abs(plain).max()


def test_elastic_deformation_is_as_strong_as_that_of_albumentations():
    spreads = []
    for kind in (albumentations.ElasticTransform, SmoothElastic):
        transform = kind(alpha=100, sigma=20)
        transform.set_random_state(np.random.default_rng(1), random.Random(1))
        maps = [transform.get_params_dependent_on_data({"shape": (256, 256, 4)}, {}) for _ in range(40)]
        moves = np.stack([[m["map_x"] - np.arange(256), m["map_y"] - np.arange(256)[:, None]] for m in maps])
        spreads.append(moves[..., 60:-60, 60:-60].std())
    # About 40 x 2 x 10 independent positions.
    assert spreads[1] == pytest.approx(spreads[0], rel=0.15)


def test_strong_elastic_deformation_moves_pixels(field):
    strong = only("geometry", "elastic_weight", elastic_alpha=400, elastic_sigma=8)
    out = Augmenter(strong, 96, seed=1)(field, 0, 0)
    assert np.abs(out.astype(int) - field).max() > 3


def test_draws_depend_only_on_seed_epoch_and_position(field):
    first, second = Augmenter(REFERENCE, 64, seed=1), Augmenter(REFERENCE, 64, seed=1)
    for position in range(8):
        first(field, 0, position)
    for place in ((3, 5), (0, 2), (1, 0)):
        assert np.array_equal(first(field, *place), second(field, *place))
    others = [Augmenter(REFERENCE, 64, seed=2)(field, 3, 5), second(field, 4, 5), second(field, 3, 6)]
    assert all(not np.array_equal(first(field, 3, 5), other) for other in others)


def test_transforms_are_chosen_independently(field):
    """Flips and noise at even odds: each of the four combinations in a quarter of the fields."""
    settings = NONE.model_copy(
        update={"horizontal_flip": 0.5, "tone": only("tone", "gamma_weight", gamma=(200, 200)).tone}
    )
    settings = settings.model_copy(update={"tone": settings.tone.model_copy(update={"p": 0.5})})
    augmenter = Augmenter(settings, 96, seed=1)
    counts = np.zeros((2, 2))
    darker = field.astype(float) ** 2 / 255
    for position in range(400):
        out = augmenter(field, 0, position).astype(float)
        flipped = (
            np.corrcoef(out.ravel(), field[:, ::-1].ravel())[0, 1]
            > np.corrcoef(out.ravel(), field.ravel())[0, 1]
        )
        toned = abs(out.mean() - darker.mean()) < abs(out.mean() - field.mean())
        counts[int(flipped), int(toned)] += 1
    # Four standard deviations of a binomial share of 400.
    np.testing.assert_allclose(counts / 400, 0.25, atol=4 * np.sqrt(0.25 * 0.75 / 400))


def test_the_global_generators_are_not_used(field):
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    Augmenter(REFERENCE, 64, seed=1)(field, 0, 0)
    assert np.array_equal(np.random.get_state()[1], before)


def test_without_augmentation_fields_are_only_cropped(field):
    out = Augmenter(NONE, 64, seed=1)(field, 0, 0)
    views = np.lib.stride_tricks.sliding_window_view(field, (64, 64), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
    assert any(np.array_equal(out, views[y, x]) for y in range(33) for x in range(33))


def test_crops_reach_every_corner():
    image = np.arange(16).reshape(4, 4, 1).repeat(4, axis=2)
    generator = np.random.default_rng(0)
    corners = {int(random_crop(image, 3, generator)[0, 0, 0]) for _ in range(60)}
    assert corners == {0, 1, 4, 5}
    with pytest.raises(ValueError, match="crop of 5 pixels does not fit"):
        random_crop(image, 5, generator)


def test_light_augmentation_changes_grey_levels_only_by_interpolation(field):
    out = Augmenter(LIGHT, 64, seed=1)(field, 0, 0)
    assert out.min() >= field.min()
    assert out.max() <= field.max()


def test_names_stand_for_settings():
    assert augmentation_settings("reference") is REFERENCE
    own = AugmentationSettings(horizontal_flip=0)
    assert augmentation_settings(own) is own


def test_the_reference_is_as_published():
    """Probabilities and weights of the published list; its transforms are tested one by one above."""
    assert [getattr(REFERENCE, group).p for group in GROUPS] == [0.5, 0.5, 0.5, 0.25]
    assert [make(getattr(REFERENCE, group))[0].p for group, (make, _) in GROUPS.items()] == [
        0.5,
        0.5,
        0.5,
        0.25,
    ]
    assert (REFERENCE.horizontal_flip, REFERENCE.vertical_flip, REFERENCE.rotate90) == (0.5, 0, 1)
    weights = [transform.p for transform in geometry(REFERENCE.geometry)[0].transforms]
    assert weights == [0.15, 0.75, 0.15, 0.10, 0.5]
    assert albumentations.__version__ == "2.0.8"
