"""Augmentation of training fields with albumentations, drawn again every time a field is shown."""

import math
import random

import cv2
import numpy as np

from puzzlecell.config.augmentation import (
    AugmentationSettings,
    BlurSettings,
    GeometrySettings,
    NoiseSettings,
    ToneSettings,
)
from puzzlecell.training._albumentations import albumentations as A  # noqa: N812  (the name everybody knows)
from puzzlecell.training.transforms import PixelNoise, QuarterTurn, SmoothElastic

REFLECTED, BLACK = cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT


class Augmenter:
    """Applies a random crop and the configured transforms: (H, W, 4) uint8 -> (crop_size, crop_size, 4) uint8.

    Crops of cells are transformed as they are, together with the cell's share of their pixels. border: what distortions
    bring in from outside.

    All random numbers for a field come from generators seeded with (seed, epoch, position in the epoch), so they do
    not depend on the process that draws them or on earlier draws.
    """

    def __init__(self, settings: AugmentationSettings, crop_size: int, seed: int, *, border: int = REFLECTED):
        self.seed = seed
        self.crop_size = crop_size
        self.border = border
        self.transforms = A.Compose(
            [
                *noise(settings.noise),
                A.HorizontalFlip(p=settings.horizontal_flip),
                A.VerticalFlip(p=settings.vertical_flip),
                QuarterTurn(p=settings.rotate90),
                *geometry(settings.geometry, border),
                *blur(settings.blur),
                *tone(settings.tone),
            ]
        )

    def __call__(self, image: np.ndarray, epoch: int, position: int) -> np.ndarray:
        """Augment an image, (H, W, 4) uint8, at least crop_size pixels in both directions."""
        generator = self._seeded(epoch, position)
        return self.transforms(image=random_crop(image, self.crop_size, generator))["image"]

    def with_share(self, crop: np.ndarray, epoch: int, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Augment a crop of a cell, (S, S, 5) uint8, whose fifth channel is the cell's share: image and share.

        The share takes part in flips, turns and distortions, not in noise, dropout, blur and changes of tone.
        """
        self._seeded(epoch, position)
        image, share = np.ascontiguousarray(crop[..., :4]), np.ascontiguousarray(crop[..., 4])
        augmented = self.transforms(image=image, mask=share)
        return augmented["image"], augmented["mask"]

    def _seeded(self, epoch: int, position: int) -> np.random.Generator:
        """Seed the transforms for one image and return their generator."""
        generator = np.random.default_rng((self.seed, epoch, position))
        # All transforms share one pair of generators. albumentations would seed each with the same number, which
        # correlates them: a flipped field would always be blurred as well.
        self.transforms.set_random_state(generator, random.Random(int(generator.integers(2**63))))
        return generator


def random_crop(image: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    """Crop a square of `size` pixels at a random position of an image (H, W, channels).

    Raises ValueError if the image is smaller.
    """
    height, width = image.shape[:2]
    if min(height, width) < size:
        raise ValueError(f"a crop of {size} pixels does not fit into a field of {height} x {width} pixels")
    y, x = generator.integers(height - size + 1), generator.integers(width - size + 1)
    return np.ascontiguousarray(image[y : y + size, x : x + size])


def one_of(p: float, weighted: list[tuple[float, A.BasicTransform]]) -> list[A.OneOf]:
    """Return a transform that applies one of several, by weight, with probability `p`; empty if it never applies."""
    chosen = []
    for weight, transform in weighted:
        if weight > 0:
            transform.p = weight
            chosen.append(transform)
    return [A.OneOf(chosen, p=p)] if p > 0 and chosen else []


def noise(settings: NoiseSettings) -> list[A.OneOf]:
    """Return noise and coarse dropout (masked squares)."""
    least, greatest = settings.gauss_variance
    grain = (math.sqrt(least), math.sqrt(greatest))
    least, greatest = settings.additive_std
    shared = (255 * least, 255 * greatest)
    side = (settings.dropout_size, settings.dropout_size)
    holes = (settings.dropout_holes, settings.dropout_holes)
    return one_of(
        settings.p,
        [
            (settings.gauss_weight, PixelNoise(grain, shared=False)),
            (settings.dropout_weight, A.CoarseDropout(holes, side, side)),
            (settings.additive_weight, PixelNoise(shared, shared=True)),
        ],
    )


def geometry(settings: GeometrySettings, border: int = REFLECTED) -> list[A.OneOf]:
    """Return geometric distortions; `border`: what is seen outside the image, reflected or black pixels."""
    shift, scale = settings.shift, settings.scale
    return one_of(
        settings.p,
        [
            (
                settings.grid_weight,
                A.GridDistortion(
                    settings.grid_steps, settings.grid_limit, normalized=False, border_mode=border
                ),
            ),
            (
                settings.shift_scale_rotate_weight,
                A.Affine(
                    translate_percent=(-shift, shift),
                    scale=(1 - scale, 1 + scale),
                    rotate=(-settings.rotate, settings.rotate),
                    keep_ratio=True,
                    border_mode=border,
                ),
            ),
            (
                settings.elastic_weight,
                SmoothElastic(settings.elastic_alpha, settings.elastic_sigma, border_mode=border),
            ),
            (
                settings.optical_weight,
                A.OpticalDistortion(settings.optical_limit, border_mode=border),
            ),
            (settings.shear_weight, A.Affine(shear={"x": settings.shear, "y": (0, 0)}, border_mode=border)),
        ],
    )


def blur(settings: BlurSettings) -> list[A.OneOf]:
    """Return Gaussian, motion and median blur."""
    return one_of(
        settings.p,
        [
            (
                settings.gaussian_weight,
                A.GaussianBlur(settings.gaussian_kernel, sigma_limit=settings.gaussian_sigma),
            ),
            (settings.motion_weight, A.MotionBlur(settings.motion_kernel)),
            (settings.median_weight, A.MedianBlur(settings.median_kernel)),
        ],
    )


def tone(settings: ToneSettings) -> list[A.OneOf]:
    """Return changes of gamma, and of brightness and contrast."""
    return one_of(
        settings.p,
        [
            (settings.gamma_weight, A.RandomGamma(settings.gamma)),
            (
                settings.brightness_contrast_weight,
                A.RandomBrightnessContrast(settings.brightness, settings.contrast),
            ),
        ],
    )
