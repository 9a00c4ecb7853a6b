"""Faster versions of albumentations transforms that give the same images.

They replace the slowest ones of the published list: rotations by 90 degrees (applied to every field), elastic
deformation and noise.
"""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from puzzlecell.training._albumentations import albumentations as A  # noqa: N812  (the name everybody knows)

GRID_POINTS_PER_SIGMA = 8
KERNEL_SIGMAS = 4
# Below this sigma the grid would have almost as many points as there are pixels.
SMALL_SIGMA = 16


class QuarterTurn(A.RandomRotate90):
    """RandomRotate90 with OpenCV, which moves whole pixels at once; numpy copies channel by channel."""

    def apply(self, img: np.ndarray, factor: int, **_: Any) -> np.ndarray:
        """Rotate an image (H, W, channels) by `factor` times 90 degrees counterclockwise."""
        code = (None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)[factor]
        return img if code is None else cv2.rotate(img, code)


class SmoothElastic(A.ElasticTransform):
    """ElasticTransform that smooths its noise only on a grid, with eight points per standard deviation.

    Noise smoothed over `sigma` pixels has no finer detail, so the pixels in between are interpolated.
    """

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Return maps, (H, W) float32, of the source coordinates of each pixel."""
        if self.sigma < SMALL_SIGMA:
            return super().get_params_dependent_on_data(params, data)
        height, width = params["shape"][:2]
        # Both components are stacked and scaled by their largest absolute value, as in albumentations.
        noise = normal_noise((2 * height, width), 1, self.py_random.getrandbits(31))
        largest = max(noise.max(), -noise.min())
        dx, dy = smoothed(noise, self.sigma).reshape(2, height, width) * (self.alpha / largest)
        y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None]
        return {"map_x": x + dx, "map_y": y + dy}


def normal_noise(shape: tuple[int, int], std: float, seed: int) -> np.ndarray:
    """Return normally distributed numbers, (H, W) float32; OpenCV's generator is several times as fast as numpy's."""
    noise = np.empty(shape, np.float32)
    cv2.setRNGSeed(seed)
    return cv2.randn(noise, 0, std)  # type: ignore[call-overload]  # the stub omits plain numbers


def smoothed(noise: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth noise, (H, W) float32, with a Gaussian of `sigma` pixels, computed on a grid and interpolated."""
    height, width = noise.shape
    coarse = smoothing(height, sigma) @ (noise @ smoothing(width, sigma).T)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@lru_cache(maxsize=8)
def smoothing(length: int, sigma: float) -> np.ndarray:
    """Return a matrix, (points, length) float32, that smooths a row of pixels at evenly spaced points.

    The kernel is a Gaussian cut off at 4 sigma, with sum 1. Beyond its ends the row continues with its last pixel, as
    with OpenCV's BORDER_REPLICATE. The points lie at the pixel centres that cv2.resize assumes.
    """
    points = min(length, int(np.ceil(length * GRID_POINTS_PER_SIGMA / sigma)))
    places = (np.arange(points) + 0.5) * (length / points) - 0.5
    reach = int(np.ceil(KERNEL_SIGMAS * sigma))
    pixels = np.arange(-reach, length + reach)
    offsets = pixels[None] - places[:, None]
    kernels = np.exp(-0.5 * (offsets / sigma) ** 2) * (np.abs(offsets) <= KERNEL_SIGMAS * sigma)
    kernels /= kernels.sum(1, keepdims=True)
    matrix = kernels[:, reach : reach + length].copy()
    matrix[:, 0] += kernels[:, :reach].sum(1)
    matrix[:, -1] += kernels[:, reach + length :].sum(1)
    return matrix.astype(np.float32)


class PixelNoise(A.ImageOnlyTransform):
    """Gaussian noise of random strength, per channel (as GaussNoise) or shared by all channels (as AdditiveNoise).

    std_range: smallest and largest standard deviation in grey levels.
    """

    class InitSchema(A.ImageOnlyTransform.InitSchema):
        """The arguments, as validated by albumentations."""

        std_range: tuple[float, float]
        shared: bool

    def __init__(self, std_range: tuple[float, float], shared: bool, p: float = 1):
        super().__init__(p=p)
        self.std_range = std_range
        self.shared = shared

    def get_params(self) -> dict[str, Any]:
        """Return the standard deviation in grey levels and the seed of the noise."""
        return {"std": self.py_random.uniform(*self.std_range), "seed": self.py_random.getrandbits(31)}

    def apply(self, img: np.ndarray, std: float, seed: int, **_: Any) -> np.ndarray:
        """Add noise to an image, (H, W, channels) uint8, rounded to whole grey levels and clipped to 0-255."""
        height, width, channels = img.shape
        # A single plane, because OpenCV applies a scalar mean or deviation only to the first channel.
        noise = normal_noise((height, width if self.shared else width * channels), std, seed)
        noise = cv2.merge([noise] * channels) if self.shared else noise.reshape(img.shape)
        return cv2.add(img, noise, dtype=cv2.CV_8U)
