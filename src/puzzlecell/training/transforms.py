"""Transforms of albumentations that make the same pictures in less time.

They are the slowest ones of the published list: quarter turns (done to every field), elastic deformation and noise.
"""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from puzzlecell.training._albumentations import albumentations as A  # noqa: N812  (the name everybody knows)

GRID_POINTS_PER_SIGMA = 8
KERNEL_SIGMAS = 4
# Below it a grid of so many points has hardly fewer than there are pixels.
SMALL_SIGMA = 16


class QuarterTurn(A.RandomRotate90):
    """RandomRotate90 by OpenCV, which turns whole pixels where numpy copies single channels."""

    def apply(self, img: np.ndarray, factor: int, **_: Any) -> np.ndarray:
        """Turn an image (H, W, channels) `factor` times by 90 degrees, against the clock."""
        code = (None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)[factor]
        return img if code is None else cv2.rotate(img, code)


class SmoothElastic(A.ElasticTransform):
    """ElasticTransform that smooths its noise at the points of a grid alone, eight points a standard deviation.

    What is smoothed over `sigma` pixels holds no finer detail, so that the pixels between are interpolated.
    """

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Maps (H, W) float32 of the pixels that each pixel comes from."""
        if self.sigma < SMALL_SIGMA:
            return super().get_params_dependent_on_data(params, data)
        height, width = params["shape"][:2]
        # Both components one above the other and scaled by their greatest number, as albumentations does it.
        noise = normal_noise((2 * height, width), 1, self.py_random.getrandbits(31))
        largest = max(noise.max(), -noise.min())
        dx, dy = smoothed(noise, self.sigma).reshape(2, height, width) * (self.alpha / largest)
        y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None]
        return {"map_x": x + dx, "map_y": y + dy}


def normal_noise(shape: tuple[int, int], std: float, seed: int) -> np.ndarray:
    """Normal numbers (H, W) float32 by OpenCV's generator, several times as fast as numpy's."""
    noise = np.empty(shape, np.float32)
    cv2.setRNGSeed(seed)
    return cv2.randn(noise, 0, std)  # type: ignore[call-overload]  # the stub leaves out plain numbers


def smoothed(noise: np.ndarray, sigma: float) -> np.ndarray:
    """Noise (H, W) float32 smoothed with a Gaussian of `sigma` pixels, computed on a grid and interpolated."""
    height, width = noise.shape
    coarse = smoothing(height, sigma) @ (noise @ smoothing(width, sigma).T)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@lru_cache(maxsize=8)
def smoothing(length: int, sigma: float) -> np.ndarray:
    """Matrix (points, length) float32 that smooths a row of pixels with a Gaussian, at evenly spaced points.

    Kernel of 4 sigma either way, sum 1; beyond its ends the row goes on with its last pixel, as in OpenCV's
    BORDER_REPLICATE. The points lie where cv2.resize takes them to be.
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
    """Gaussian noise of a random strength, of each channel (as GaussNoise) or shared by all (as AdditiveNoise).

    std_range: least and greatest standard deviation in grey levels.
    """

    class InitSchema(A.ImageOnlyTransform.InitSchema):
        """The arguments, for the check that albumentations makes."""

        std_range: tuple[float, float]
        shared: bool

    def __init__(self, std_range: tuple[float, float], shared: bool, p: float = 1):
        super().__init__(p=p)
        self.std_range = std_range
        self.shared = shared

    def get_params(self) -> dict[str, Any]:
        """Standard deviation in grey levels, and the seed of the noise."""
        return {"std": self.py_random.uniform(*self.std_range), "seed": self.py_random.getrandbits(31)}

    def apply(self, img: np.ndarray, std: float, seed: int, **_: Any) -> np.ndarray:
        """An image (H, W, channels) uint8 with noise, rounded to whole grey levels and cut to 0 to 255."""
        height, width, channels = img.shape
        # One plane, since OpenCV takes a number for all channels as that of the first.
        noise = normal_noise((height, width if self.shared else width * channels), std, seed)
        noise = cv2.merge([noise] * channels) if self.shared else noise.reshape(img.shape)
        return cv2.add(img, noise, dtype=cv2.CV_8U)
