"""From signal to image: blur, light, background and noise."""

import cv2
import numpy as np

from puzzlecell.config.simulation import SimulationSettings

PEAK = 0.8
"""Intensity of a signal of 1, as a fraction of the full range of the image."""


def photograph(
    signal: np.ndarray, glowing: np.ndarray, settings: SimulationSettings, rng: np.random.Generator
) -> np.ndarray:
    """Apply blur, uneven light and background, shot and camera noise: (4, H, W) float32 -> (H, W, 4) integers.

    glowing: factor on the background of each channel, (4,).
    """
    size = settings.size
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    most = 255 if settings.bit_depth == 8 else 65535
    image = np.empty((size, size, 4), np.uint8 if settings.bit_depth == 8 else np.uint16)
    focus = rng.uniform(-0.5, 0.5, 2).tolist()
    fall = (ramp - focus[0])[:, None] ** 2 + (ramp - focus[1])[None] ** 2
    light = 1 - fall * (settings.unevenness * rng.uniform(0.3, 1) / float(fall.max()))
    for channel in range(4):
        blurred = signal[channel]
        if settings.blur > 0:
            blurred = cv2.GaussianBlur(
                blurred, (0, 0), settings.blur * size / 256, borderType=cv2.BORDER_REFLECT
            )
        slope = (rng.uniform(-1, 1, 2) * settings.unevenness / 2).tolist()
        glow = (
            settings.background
            * float(glowing[channel])
            * rng.uniform(0.6, 1.4)
            * (1 + slope[0] * ramp[:, None] + slope[1] * ramp[None])
        )
        seen = np.maximum(blurred * light + glow, 0)
        # The variance of shot noise is proportional to the light; at full signal it equals that of the camera noise.
        noise = rng.standard_normal(seen.shape, dtype=np.float32)
        seen += settings.noise * np.sqrt(1 + seen) * noise
        image[..., channel] = np.clip(seen * (PEAK * most) + 0.5, 0, most)
    return image
