"""Settings of a stage's training.

A stage's settings are the training defaults, changed by those of its model, changed by its own: see
`resolved`.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from puzzlecell.config.augmentation import Augmentation
from puzzlecell.config.base import NO_EFFECT, Section
from puzzlecell.config.network import InputSettings, NetworkSettings


class PuzzleSettings(Section):
    """The second pass, over tiles of the field (Puzzle-CAM)."""

    pieces: Literal[0, 4, 9, 16] = Field(
        4,
        description="Tiles into which a field is cut for the second pass, 2 x 2 in the reference. 0 = no "
        "second pass: half the cost, and the loss has its part alpha alone.",
    )
    validate_tiles: bool = Field(
        True, description="Do the second pass at validation too, so that all parts of the loss are measured."
    )

    @property
    def side(self) -> int:
        """Tiles along each side, 0 without a puzzle."""
        return math.isqrt(self.pieces)


class LossSettings(Section):
    """alpha L(full logits) + beta L(merged-tile logits) + gamma mean |full maps - merged-tile maps|."""

    kind: Literal["bce", "focal"] = Field(
        "bce",
        description="L: binary cross-entropy, or the same with easy examples weighted down. Both take soft "
        "labels.",
    )
    focal_gamma: float = Field(2.0, ge=0, description="Exponent of focal's weight |label - probability|.")
    focal_alpha: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Focal's weight of what is there against 1 - alpha of what is not; null = alike.",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share by which labels are drawn towards 0.5."
    )
    alpha: float = Field(1.0, ge=0, description="Weight of the full field's classification.")
    beta: float = Field(1.0, ge=0, description="Weight of the merged tiles' classification.")
    gamma: float = Field(0.5, ge=0, description="Weight of the difference between full and merged maps.")
    gamma_ramp: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of all steps over which gamma grows from 0 to its value; 0 = at once.",
    )


class SamplerSettings(Section):
    """How often each training field is drawn."""

    kind: Literal["capped", "inverse", "none"] = Field(
        "capped",
        description="`capped`: weight = mean over the field's classes of 1 / fields of that class, at most "
        "the class weight of rank `cap_rank`. `inverse`: the field's greatest class weight, by `inverse_by`, "
        "clipped. Both draw with replacement. `none`: every field equally often, in random order.",
    )
    cap_rank: int = Field(3, ge=1, description="Rank of the class weight that caps a field's weight.")
    inverse_by: Literal["median", "log"] = Field(
        "median",
        description="Class weight: median count / count, or log(fields / count) with at least 1 taken.",
    )
    clip: tuple[float, float] = Field(
        (0.1, 10.0), description="Least and greatest class weight of `inverse`."
    )

    @model_validator(mode="after")
    def _check(self):
        if not 0 < self.clip[0] <= self.clip[1]:
            raise ValueError(f"clip: expected two numbers with 0 < least <= greatest, found {self.clip}")
        return self


class OptimiserSettings(Section):
    """The optimiser and what is done to its gradients."""

    name: Literal["adam", "adamw", "sgd"] = Field(
        "adam", description="Adam, AdamW or SGD with Nesterov momentum."
    )
    learning_rate: float = Field(3e-4, gt=0, description="Highest learning rate.")
    betas: tuple[float, float] = Field(
        (0.9, 0.999), description="Adam's decay rates; the first is SGD's momentum."
    )
    weight_decay: float = Field(0.0, ge=0, description="Weight decay.")
    clip_norm: float | None = Field(None, gt=0, description="Greatest norm of the gradient; null = as it is.")
    accumulate: int = Field(
        1,
        ge=1,
        description="Parts in which a batch is worked through, to save memory; must divide batch_size.",
    )


class ScheduleSettings(Section):
    """The learning rate over time."""

    kind: Literal["plateau", "cosine", "one-cycle", "constant"] = Field(
        "plateau",
        description="`plateau`: multiplied by `factor` when `best_metric` has not improved for `patience` "
        "epochs. `cosine`: falls to `floor` at the end. `one-cycle`: rises over `warmup_epochs`, falls to "
        "`floor`, the momentum the other way. `constant`.",
    )
    warmup_epochs: float = Field(
        0.0, ge=0, description="Epochs (may be a fraction) of linear rise from near 0."
    )
    factor: float = Field(0.3, gt=0, lt=1, description="Factor of `plateau`.")
    patience: int = Field(8, ge=0, description="Epochs without improvement that `plateau` waits.")
    floor: float = Field(
        1e-6, ge=0, description="Lowest learning rate of `plateau`, `cosine` and `one-cycle`."
    )


class EmaSettings(Section):
    """A running mean of the weights, used for validation and saved in their place."""

    decay: float = Field(0.999, gt=0, lt=1, description="Share of the mean kept at each step.")
    warmup: bool = Field(True, description="Begin with a smaller decay, (1 + step) / (10 + step).")


class ComputeSettings(Section):
    """How the work is done; results differ by rounding alone."""

    precision: Literal["auto", "float32", "bf16", "fp16"] = Field(
        "auto",
        description="Mixed precision. `auto`: bf16 on a GPU that has it, else fp16 on a GPU, float32 on a "
        "CPU (where bf16 was slower for most networks).",
    )
    channels_last: bool = Field(
        True, description="Keep images with channels last in memory, which is faster."
    )
    keep_memory: bool = Field(
        True,
        description="On a CPU, keep freed memory for the next step instead of giving it back to the system: a "
        "third less time; the process stays as large as it was at its largest.",
        json_schema_extra=NO_EFFECT,
    )
    compile: bool = Field(
        False, description="Compile the network (torch.compile): minutes once, faster steps."
    )
    workers: int | None = Field(
        None,
        ge=0,
        description="Processes that read and augment fields; 0 = none beside the training. null = the job's "
        "threads less one on a GPU, none on a CPU.",
        json_schema_extra=NO_EFFECT,
    )
    gpus: int = Field(
        1,
        ge=1,
        description="GPUs over which a training shares out its batches; one process each. Not for a CPU.",
    )
    sync_batchnorm: bool = Field(False, description="On several GPUs, share batch statistics between them.")


class TrainingSettings(Section):
    """One stage of one model: network, input, loss, how long and how fast."""

    network: NetworkSettings = NetworkSettings()
    input: InputSettings = InputSettings()
    puzzle: PuzzleSettings = PuzzleSettings()
    loss: LossSettings = LossSettings()
    sampler: SamplerSettings = SamplerSettings()
    augmentation: Augmentation = Field(
        "reference",
        description="`reference`, `light` (flips, quarter turns, small shift and scale), `none`, or "
        "settings.",
    )
    optimiser: OptimiserSettings = OptimiserSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    ema: EmaSettings | None = Field(None, description="Running mean of the weights; null = none.")
    compute: ComputeSettings = ComputeSettings()
    seed: int = Field(2020, ge=0, description="Seed of the first weights, the draws and the augmentation.")
    epochs: int = Field(48, ge=1, description="Epochs: each ends with a validation.")
    samples_per_epoch: int | None = Field(
        None,
        ge=1,
        description="Fields drawn in an epoch, rounded up to whole batches; null = as many as there are.",
    )
    batch_size: int = Field(
        36, ge=1, description="Fields of one optimiser step, over all GPUs and parts together."
    )
    validation_batch_size: int | None = Field(
        None,
        ge=1,
        description="Fields at once at validation; null = batch_size.",
        json_schema_extra=NO_EFFECT,
    )
    best_metric: Literal["loss", "map", "f1_samples", "f1_macro"] = Field(
        "loss",
        description="What the best epoch is chosen by, on the held-out fold: lowest loss, highest mean "
        "average precision or highest F1 (mean over fields, or over classes).",
    )
    early_stop: int | None = Field(
        None, ge=1, description="Stop after so many epochs without a better one; null = never."
    )
    save_minutes: float | None = Field(
        15.0,
        gt=0,
        description="Minutes between saved states within an epoch; null = only at its end.",
        json_schema_extra=NO_EFFECT,
    )
    tensorboard: bool = Field(
        False,
        description="Write TensorBoard events (needs the package tensorboard).",
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
                    f"{self.network.output_stride} x {max(1, self.puzzle.side)} tiles a side); the nearest "
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
                "loss: with alpha 0 and no classification of tiles nothing would be learnt from labels"
            )
        if self.schedule.warmup_epochs >= self.epochs:
            problems.append(
                f"schedule.warmup_epochs: {self.schedule.warmup_epochs:g} leaves nothing of epochs "
                f"{self.epochs}"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self


def resolved(*layers: Mapping[str, Any]) -> TrainingSettings:
    """Settings from nested mappings, each changing those before it key by key: defaults, model, stage.

    Two mappings under one key are merged; anything else replaces what was there, a name of an augmentation
    too.
    """
    return TrainingSettings(**merged(*layers))


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings in one, later ones changing earlier ones key by key."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
                result[key] = merged(result[key], value)
            else:
                result[key] = dict(value) if isinstance(value, Mapping) else value
    return result
