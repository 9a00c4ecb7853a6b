"""Settings of the augmentation: what is done to a training field, and how often.

The defaults of each section are the reference's; `light` leaves out what spoils small fields.
"""

from typing import Literal

from pydantic import Field, model_validator

from puzzlecell.config.base import Section

Range = tuple[float, float]
IntRange = tuple[int, int]
Weight = Field(0.5, ge=0)


class _Group(Section):
    """Transforms of which one is chosen, each with a weight; ranges are (low, high)."""

    p: float

    @model_validator(mode="after")
    def _check(self):
        for name, value in self:
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(f"{name}: the range {value[0]} to {value[1]} runs backwards")
        weights = [value for name, value in self if name.endswith("_weight")]
        if weights and self.p > 0 and sum(weights) == 0:
            raise ValueError("all weights are 0; set p to 0 to leave the group out")
        return self


class NoiseSettings(_Group):
    """One of Gaussian noise, dropped squares and additive Gaussian noise."""

    p: float = Field(0.5, ge=0, le=1, description="Share of the fields that one of these is done to.")
    gauss_weight: float = Field(0.5, ge=0, description="Weight of Gaussian noise, drawn for each channel.")
    gauss_variance: Range = Field((5, 30), description="Its variance, in squared grey levels of 255.")
    dropout_weight: float = Field(0.5, ge=0, description="Weight of coarse dropout: squares set to zero.")
    dropout_holes: int = Field(8, ge=1, description="Number of squares.")
    dropout_size: int = Field(32, ge=1, description="Side of a square in pixels.")
    additive_weight: float = Field(0.5, ge=0, description="Weight of Gaussian noise that all channels share.")
    additive_std: Range = Field((0.02, 0.05), description="Its standard deviation, as a share of 255.")


class GeometrySettings(_Group):
    """One of five distortions; what comes from outside the field is its reflection."""

    p: float = Field(0.5, ge=0, le=1, description="Share of the fields that one of these is done to.")
    grid_weight: float = Field(0.15, ge=0, description="Weight of grid distortion.")
    grid_steps: int = Field(5, ge=1, description="Grid cells along each side.")
    grid_limit: float = Field(
        0.3, ge=0, lt=1, description="Greatest change of a grid cell's side, as a share."
    )
    shift_scale_rotate_weight: float = Field(0.75, ge=0, description="Weight of shift, scale and rotation.")
    shift: float = Field(0.05, ge=0, le=1, description="Greatest shift, as a share of the side.")
    scale: float = Field(0.1, ge=0, lt=1, description="Greatest change of size, as a share.")
    rotate: float = Field(30, ge=0, le=180, description="Greatest rotation in degrees, either way.")
    elastic_weight: float = Field(0.15, ge=0, description="Weight of elastic deformation.")
    elastic_alpha: float = Field(1, ge=0, description="Its strength in pixels before smoothing.")
    elastic_sigma: float = Field(50, gt=0, description="Standard deviation of its smoothing in pixels.")
    optical_weight: float = Field(0.10, ge=0, description="Weight of optical (barrel) distortion.")
    optical_limit: float = Field(0.05, ge=0, description="Its greatest strength, either way.")
    shear_weight: float = Field(0.5, ge=0, description="Weight of shear along x.")
    shear: Range = Field((5, 5), description="Its angle in degrees.")


class BlurSettings(_Group):
    """One of three blurs; kernel sides are odd."""

    p: float = Field(0.5, ge=0, le=1, description="Share of the fields that one of these is done to.")
    gaussian_weight: float = Field(0.5, ge=0, description="Weight of Gaussian blur.")
    gaussian_kernel: IntRange = Field((3, 5), description="Side of its kernel in pixels.")
    gaussian_sigma: Range = Field((0.8, 1.1), description="Its standard deviation in pixels.")
    motion_weight: float = Field(0.5, ge=0, description="Weight of motion blur.")
    motion_kernel: IntRange = Field((3, 5), description="Side of its kernel in pixels.")
    median_weight: float = Field(0.5, ge=0, description="Weight of the median filter.")
    median_kernel: IntRange = Field((3, 7), description="Side of its window in pixels.")

    @model_validator(mode="after")
    def _check_kernels(self):
        for name in ("gaussian_kernel", "motion_kernel", "median_kernel"):
            if any(side < 3 or side % 2 == 0 for side in getattr(self, name)):
                raise ValueError(f"{name}: sides must be odd and at least 3, found {getattr(self, name)}")
        return self


class ToneSettings(_Group):
    """One of gamma, and brightness with contrast."""

    p: float = Field(0.25, ge=0, le=1, description="Share of the fields that one of these is done to.")
    gamma_weight: float = Field(0.5, ge=0, description="Weight of the gamma curve.")
    gamma: Range = Field((80, 120), description="Its exponent in per cent.")
    brightness_contrast_weight: float = Field(0.5, ge=0, description="Weight of brightness and contrast.")
    brightness: float = Field(
        0.2, ge=0, le=1, description="Greatest change of brightness, as a share of 255."
    )
    contrast: float = Field(0.2, ge=0, lt=1, description="Greatest change of contrast, as a share.")


class AugmentationSettings(Section):
    """Every transform of the training fields, in the order in which they are done after the random crop."""

    noise: NoiseSettings = NoiseSettings()
    horizontal_flip: float = Field(0.5, ge=0, le=1, description="Share of the fields mirrored left to right.")
    vertical_flip: float = Field(0.0, ge=0, le=1, description="Share of the fields mirrored top to bottom.")
    rotate90: float = Field(
        1.0, ge=0, le=1, description="Share turned by 0, 90, 180 or 270 degrees, each as often as the others."
    )
    geometry: GeometrySettings = GeometrySettings()
    blur: BlurSettings = BlurSettings()
    tone: ToneSettings = ToneSettings()


REFERENCE = AugmentationSettings()
LIGHT = AugmentationSettings(
    noise=NoiseSettings(p=0),
    geometry=GeometrySettings(
        p=0.5,
        grid_weight=0,
        elastic_weight=0,
        optical_weight=0,
        shear_weight=0,
        shift=0.05,
        scale=0.1,
        rotate=0,
    ),
    blur=BlurSettings(p=0),
    tone=ToneSettings(p=0),
)
NONE = AugmentationSettings(
    noise=NoiseSettings(p=0),
    horizontal_flip=0,
    rotate90=0,
    geometry=GeometrySettings(p=0),
    blur=BlurSettings(p=0),
    tone=ToneSettings(p=0),
)
PRESETS = {"reference": REFERENCE, "light": LIGHT, "none": NONE}
Augmentation = Literal["reference", "light", "none"] | AugmentationSettings


def augmentation_settings(choice: Augmentation) -> AugmentationSettings:
    """The settings that a name stands for; settings themselves are returned as they are."""
    return PRESETS[choice] if isinstance(choice, str) else choice
