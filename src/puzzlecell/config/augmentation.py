"""Settings of the training augmentation: which transforms are applied, and how often.

The defaults of each section are those of the reference; `light` omits the transforms that degrade small fields.
"""

from typing import Literal

from pydantic import Field, model_validator

from puzzlecell.config.base import Section

Range = tuple[float, float]
IntRange = tuple[int, int]
Weight = Field(0.5, ge=0)


class _Group(Section):
    """A group of transforms of which one is drawn by weight; ranges are (low, high)."""

    p: float

    @model_validator(mode="after")
    def _check(self):
        for name, value in self:
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(
                    f"{name}: the range {value[0]} to {value[1]} runs backwards; expected low <= high"
                )
        weights = [value for name, value in self if name.endswith("_weight")]
        if weights and self.p > 0 and sum(weights) == 0:
            raise ValueError("all weights are 0; to disable the group, set p to 0")
        return self


class NoiseSettings(_Group):
    """Noise: per-channel Gaussian noise, coarse dropout or Gaussian noise shared by all channels."""

    p: float = Field(0.5, ge=0, le=1, description="Probability that one of these transforms is applied.")
    gauss_weight: float = Field(
        0.5, ge=0, description="Relative weight of Gaussian noise drawn independently for each channel."
    )
    gauss_variance: Range = Field(
        (5, 30), description="Range of the variance of per-channel noise, in squared grey levels (0 to 255)."
    )
    dropout_weight: float = Field(
        0.5, ge=0, description="Relative weight of coarse dropout, which sets random squares to zero."
    )
    dropout_holes: int = Field(8, ge=1, description="Number of squares that coarse dropout sets to zero.")
    dropout_size: int = Field(32, ge=1, description="Side of a dropout square in pixels.")
    additive_weight: float = Field(
        0.5, ge=0, description="Relative weight of Gaussian noise shared by all channels."
    )
    additive_std: Range = Field(
        (0.02, 0.05), description="Range of the standard deviation of shared noise, as a fraction of 255."
    )


class GeometrySettings(_Group):
    """Geometry: one of five distortions; pixels from outside the crop are filled by reflection."""

    p: float = Field(0.5, ge=0, le=1, description="Probability that one of these transforms is applied.")
    grid_weight: float = Field(0.15, ge=0, description="Relative weight of grid distortion.")
    grid_steps: int = Field(5, ge=1, description="Number of grid cells along each side in grid distortion.")
    grid_limit: float = Field(
        0.3, ge=0, lt=1, description="Largest relative change of a grid cell's side in grid distortion."
    )
    shift_scale_rotate_weight: float = Field(
        0.75, ge=0, description="Relative weight of combined shift, scaling and rotation."
    )
    shift: float = Field(0.05, ge=0, le=1, description="Largest shift, as a fraction of the image side.")
    scale: float = Field(0.1, ge=0, lt=1, description="Largest relative change of size.")
    rotate: float = Field(30, ge=0, le=180, description="Largest rotation in degrees, in either direction.")
    elastic_weight: float = Field(0.15, ge=0, description="Relative weight of elastic deformation.")
    elastic_alpha: float = Field(
        1,
        ge=0,
        description="Amplitude in pixels of the random displacements of elastic deformation, before smoothing.",
    )
    elastic_sigma: float = Field(
        50,
        gt=0,
        description="Standard deviation in pixels of the Gaussian that smooths elastic displacements.",
    )
    optical_weight: float = Field(0.10, ge=0, description="Relative weight of optical (barrel) distortion.")
    optical_limit: float = Field(
        0.05, ge=0, description="Largest coefficient of optical distortion, in either direction."
    )
    shear_weight: float = Field(0.5, ge=0, description="Relative weight of shear along x.")
    shear: Range = Field((5, 5), description="Range of the shear angle in degrees.")


class BlurSettings(_Group):
    """Blur: Gaussian blur, motion blur or a median filter; kernel sides are odd."""

    p: float = Field(0.5, ge=0, le=1, description="Probability that one of these transforms is applied.")
    gaussian_weight: float = Field(0.5, ge=0, description="Relative weight of Gaussian blur.")
    gaussian_kernel: IntRange = Field(
        (3, 5), description="Range of the kernel side of Gaussian blur in pixels; both numbers odd."
    )
    gaussian_sigma: Range = Field(
        (0.8, 1.1), description="Range of the standard deviation of Gaussian blur in pixels."
    )
    motion_weight: float = Field(0.5, ge=0, description="Relative weight of motion blur.")
    motion_kernel: IntRange = Field(
        (3, 5), description="Range of the kernel side of motion blur in pixels; both numbers odd."
    )
    median_weight: float = Field(0.5, ge=0, description="Relative weight of the median filter.")
    median_kernel: IntRange = Field(
        (3, 7), description="Range of the window side of the median filter in pixels; both numbers odd."
    )

    @model_validator(mode="after")
    def _check_kernels(self):
        for name in ("gaussian_kernel", "motion_kernel", "median_kernel"):
            if any(side < 3 or side % 2 == 0 for side in getattr(self, name)):
                raise ValueError(f"{name}: sides must be odd and at least 3, found {getattr(self, name)}")
        return self


class ToneSettings(_Group):
    """Intensity curve: gamma correction, or brightness and contrast together."""

    p: float = Field(0.25, ge=0, le=1, description="Probability that one of these transforms is applied.")
    gamma_weight: float = Field(0.5, ge=0, description="Relative weight of gamma correction.")
    gamma: Range = Field(
        (80, 120), description="Range of gamma in per cent; 100 leaves intensities unchanged."
    )
    brightness_contrast_weight: float = Field(
        0.5, ge=0, description="Relative weight of the change of brightness and contrast."
    )
    brightness: float = Field(
        0.2, ge=0, le=1, description="Largest change of brightness, as a fraction of 255."
    )
    contrast: float = Field(0.2, ge=0, lt=1, description="Largest relative change of contrast.")


class AugmentationSettings(Section):
    """Transforms of training crops, in the order in which they are applied after the random crop."""

    noise: NoiseSettings = NoiseSettings()
    horizontal_flip: float = Field(0.5, ge=0, le=1, description="Probability of mirroring left to right.")
    vertical_flip: float = Field(0.0, ge=0, le=1, description="Probability of mirroring top to bottom.")
    rotate90: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Probability of a rotation by 0, 90, 180 or 270 degrees, drawn uniformly.",
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
    """Settings of a named preset; settings given in full are returned unchanged."""
    return PRESETS[choice] if isinstance(choice, str) else choice
