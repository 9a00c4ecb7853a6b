"""Settings of the training of a stage.

The settings of a stage are the training defaults, overridden by those of its model, then by its own: see `resolved`.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from puzzlecell.config.augmentation import Augmentation
from puzzlecell.config.base import MAX_SEED, NO_EFFECT, Section
from puzzlecell.config.network import FeatureSettings, InputSettings, NetworkSettings
from puzzlecell.config.optimiser import EmaSettings, OptimiserSettings, ScheduleSettings


class PuzzleSettings(Section):
    """Puzzle-CAM: the second pass of the network, over tiles of the field."""

    pieces: Literal[0, 4, 9, 16] = Field(
        4,
        description="Number of tiles into which a field is cut for the second pass; the reference uses 4 (2 x 2). 0: "
        "no second pass, at half the cost; the loss then consists of its first term only. Always 0 in stages of the "
        "kind `cells` and with a frozen backbone (`network.frozen`).",
    )
    validate_tiles: bool = Field(
        True, description="Run the second pass in validation too, so that all terms of the loss are measured."
    )

    @property
    def side(self) -> int:
        """Number of tiles along each side; 0 without a second pass."""
        return math.isqrt(self.pieces)


class LossSettings(Section):
    """The loss: alpha L(full logits) + beta L(merged-tile logits) + gamma mean |full maps - merged-tile maps|.

    L is the classification loss (`kind`); maps are class activation maps. The first term comes from the whole field,
    the others from the second pass over its tiles, whose maps are merged to those of a whole field.
    """

    kind: Literal["bce", "focal"] = Field(
        "bce",
        description="Classification loss L: `bce` (binary cross-entropy) or `focal` (focal loss, which down-weights "
        "easy examples). Both accept soft labels.",
    )
    focal_gamma: float = Field(
        2.0, ge=0, description="Exponent gamma of the focal loss weight |label - probability|^gamma."
    )
    focal_alpha: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Weight of present classes in the focal loss; absent ones have 1 - focal_alpha. null: no such "
        "weighting.",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Label smoothing: the fraction by which labels are moved towards 0.5."
    )
    alpha: float = Field(1.0, ge=0, description="Weight of the classification loss of the full field.")
    beta: float = Field(1.0, ge=0, description="Weight of the classification loss of the merged tiles.")
    gamma: float = Field(
        0.5,
        ge=0,
        description="Weight of the difference between the class activation maps of the full field and of the merged "
        "tiles.",
    )
    gamma_ramp: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Fraction of all training steps over which gamma rises linearly from 0 to its value; 0: no ramp.",
    )


class SamplerSettings(Section):
    """Class-balanced sampling: how often each training field is drawn.

    In a stage of the kind `cells`, a cell belongs to a class as much as its target says.
    """

    kind: Literal["capped", "inverse", "none"] = Field(
        "capped",
        description="`capped`: a class weighs 1 / its number of fields, and a field the mean of its classes, capped at "
        "the class weight of rank `cap_rank`. `inverse`: a field has the highest weight of its classes, given by "
        "`inverse_by` and `clip`. Both draw with replacement. `none`: all fields are drawn equally often, in random "
        "order.",
    )
    cap_rank: int = Field(
        3,
        ge=1,
        description="With `capped`, rank of the class weight that caps the weight of a field; 1 is the rarest class.",
    )
    inverse_by: Literal["median", "log"] = Field(
        "median",
        description="Class weight of `inverse`, where the count of a class is its number of fields: `median` (median "
        "count / count) or `log` (log(number of all fields / count)).",
    )
    clip: tuple[float, float] = Field(
        (0.1, 10.0), description="Minimum and maximum to which class weights of `inverse` are clipped."
    )

    @model_validator(mode="after")
    def _check(self):
        if not 0 < self.clip[0] <= self.clip[1]:
            raise ValueError(f"clip: found {self.clip}, expected two numbers with 0 < least <= greatest")
        return self


class ComputeSettings(Section):
    """Precision, memory layout and devices; on a single device, results differ only by rounding."""

    precision: Literal["auto", "float32", "bf16", "fp16"] = Field(
        "auto",
        description="Numerical precision; bf16 and fp16 are mixed precision. `auto`: bf16 on GPUs that support it, "
        "fp16 on other GPUs, float32 on a CPU (where bf16 was slower for most networks).",
    )
    channels_last: bool = Field(True, description="Use the channels-last memory layout, which is faster.")
    keep_memory: bool = Field(
        True,
        description="On a CPU, keep freed memory for the next step instead of returning it to the system; this saves a "
        "third of the time, but the process keeps its peak memory.",
        json_schema_extra=NO_EFFECT,
    )
    compile: bool = Field(
        False,
        description="Compile the network with torch.compile, which takes minutes once and speeds up each step.",
    )
    workers: int | None = Field(
        None,
        ge=0,
        description="Number of worker processes that read and augment fields; 0: the training process does it itself. "
        "null: on a GPU one less than the job's threads, on a CPU 0.",
        json_schema_extra=NO_EFFECT,
    )
    gpus: int = Field(
        1,
        ge=1,
        description="Number of GPUs over which each batch is distributed, with one process per GPU; ignored on a CPU.",
    )
    sync_batchnorm: bool = Field(False, description="Synchronise batch normalisation statistics across GPUs.")


class TrainingSettings(Section):
    """Training: network, input, loss, optimiser and duration; models and stages can override single keys."""

    network: NetworkSettings = NetworkSettings()
    input: InputSettings = InputSettings()
    features: FeatureSettings = FeatureSettings()
    puzzle: PuzzleSettings = PuzzleSettings()
    loss: LossSettings = LossSettings()
    sampler: SamplerSettings = SamplerSettings()
    augmentation: Augmentation = Field(
        "reference",
        description="A preset, or the settings below: `reference` (the published augmentation), `light` (left-right "
        "flips, quarter turns, small shifts and changes of size) or `none`. Always `none` with a frozen backbone "
        "(`network.frozen`), whose fields are flipped and turned as `features` says.",
    )
    optimiser: OptimiserSettings = OptimiserSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    ema: EmaSettings | None = Field(
        None, description="Exponential moving average of the weights. null: none."
    )
    compute: ComputeSettings = ComputeSettings()
    seed: int = Field(
        2020,
        ge=0,
        le=MAX_SEED,
        description="Random seed of weight initialisation, sampling and augmentation.",
    )
    epochs: int = Field(
        48, ge=1, description="Number of epochs, each followed by a validation on the held-out fold."
    )
    samples_per_epoch: int | None = Field(
        None,
        ge=1,
        description="Number of fields (cells in a stage of the kind `cells`) drawn per epoch, rounded up to whole "
        "batches. null: the number of training fields (cells).",
    )
    batch_size: int = Field(
        36,
        ge=1,
        description="Number of fields (cells in a stage of the kind `cells`) per optimiser step, over all GPUs and "
        "accumulated parts.",
    )
    validation_batch_size: int | None = Field(
        None,
        ge=1,
        description="Number of fields (cells in a stage of the kind `cells`) per forward pass in validation. null: "
        "`batch_size`.",
        json_schema_extra=NO_EFFECT,
    )
    best_metric: Literal["loss", "map", "f1_samples", "f1_macro"] = Field(
        "loss",
        description="Metric on the held-out fold that selects the best epoch: lowest `loss`, highest `map` (mean "
        "average precision), or highest F1, averaged over fields (`f1_samples`) or over classes (`f1_macro`).",
    )
    early_stop: int | None = Field(
        None,
        ge=1,
        description="Early stopping: number of epochs without improvement after which training ends. null: never.",
    )
    save_minutes: float | None = Field(
        15.0,
        gt=0,
        description="Minutes between saved states within an epoch, from which a stopped training resumes. null: "
        "checkpoints only at the end of each epoch.",
        json_schema_extra=NO_EFFECT,
    )
    tensorboard: bool = Field(
        False,
        description="Write TensorBoard event files (requires the package tensorboard).",
        json_schema_extra=NO_EFFECT,
    )

    @model_validator(mode="after")
    def _check(self):
        problems = []
        unit = self.network.output_stride * max(1, self.puzzle.side)
        for name in ("field_size", "crop_size"):
            size = getattr(self.input, name)
            if size % unit and (name == "crop_size" or self.puzzle.validate_tiles):
                problems.append(
                    f"input.{name}: {size} is not divisible by {unit} (output_stride "
                    f"{self.network.output_stride} x {max(1, self.puzzle.side)} tiles per side); the nearest "
                    f"is {max(unit, round(size / unit) * unit)}"
                )
        if self.input.crop_size > self.input.field_size:
            problems.append(
                f"input.crop_size: {self.input.crop_size} is more than input.field_size "
                f"{self.input.field_size}"
            )
        if self.batch_size % self.optimiser.accumulate:
            problems.append(
                f"optimiser.accumulate: {self.optimiser.accumulate} does not divide batch_size "
                f"{self.batch_size}"
            )
        if self.loss.alpha == 0 and (self.loss.beta == 0 or self.puzzle.pieces == 0):
            problems.append(
                "loss: with alpha 0 and no classification loss of tiles, nothing would be learnt from the labels"
            )
        if self.schedule.warmup_epochs >= self.epochs:
            problems.append(
                f"schedule.warmup_epochs: {self.schedule.warmup_epochs:g} leaves nothing of epochs "
                f"{self.epochs}; expected fewer warm-up epochs than epochs"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self


def resolved(*layers: Mapping[str, Any]) -> TrainingSettings:
    """Settings from nested mappings, each overriding those before it key by key: defaults, model, stage.

    Two mappings under the same key are merged; any other value replaces the earlier one, including the name of an
    augmentation preset.
    """
    return TrainingSettings.model_validate(merged(*layers))


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested mappings; later ones override earlier ones key by key."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
                result[key] = merged(result[key], value)
            else:
                result[key] = dict(value) if isinstance(value, Mapping) else value
    return result
