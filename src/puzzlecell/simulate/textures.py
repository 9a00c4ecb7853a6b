"""Smooth random textures of a whole field, cropped for each cell."""

from dataclasses import dataclass

import cv2
import numpy as np


def smooth_noise(rng: np.random.Generator, size: int, sigma: float) -> np.ndarray:
    """Return Gaussian noise blurred by `sigma` pixels: (size, size) float32, mean about 0, standard deviation 1."""
    # Strongly blurred noise is drawn on a coarser grid: it looks the same and takes a fraction of the time.
    step = max(1, int(sigma / 2.5))
    side = -(-size // step)
    noise: np.ndarray = rng.standard_normal((side, side), dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), max(sigma / step, 0.3), borderType=cv2.BORDER_REFLECT)
    if step > 1:
        noise = cv2.resize(noise, (side * step, side * step), interpolation=cv2.INTER_LINEAR)
    noise = np.ascontiguousarray(noise[:size, :size])
    return noise / max(float(noise.std()), 1e-6)


@dataclass(frozen=True)
class Textures:
    """Textures of a field, each (size, size) float32; drawn once and cropped for each cell."""

    grain: np.ndarray
    """Standard normal, with a grain size of about one unit (1/256 of the field's width)."""
    lumps: np.ndarray
    """Standard normal, with lumps of the size of a nuclear speckle."""
    clouds: np.ndarray
    """Standard normal, with features of the size of a nucleus."""
    net: np.ndarray
    """In [0, 1]: a net of thin bright lines, along the zero crossings of smooth noise."""


def make_textures(rng: np.random.Generator, size: int, unit: float) -> Textures:
    """Draw the textures of one field; `unit` is 1/256 of the field's width in pixels."""
    net = np.exp(-1.6 * np.abs(smooth_noise(rng, size, 1.5 * unit)))
    return Textures(
        grain=smooth_noise(rng, size, 0.8 * unit),
        lumps=smooth_noise(rng, size, 1.7 * unit),
        clouds=smooth_noise(rng, size, 9 * unit),
        net=net.astype(np.float32),
    )
