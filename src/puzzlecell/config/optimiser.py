"""Settings of the optimiser, of the learning rate and of the running mean of the weights."""

from typing import Literal

from pydantic import Field

from puzzlecell.config.base import Section


class OptimiserSettings(Section):
    """The optimiser and the handling of gradients."""

    name: Literal["adam", "adamw", "sgd"] = Field(
        "adam", description="Optimiser: Adam, AdamW or SGD with Nesterov momentum."
    )
    learning_rate: float = Field(3e-4, gt=0, description="Peak learning rate.")
    betas: tuple[float, float] = Field(
        (0.9, 0.999),
        description="Decay rates beta1 and beta2 of Adam and AdamW; SGD uses the first one as its momentum.",
    )
    weight_decay: float = Field(0.0, ge=0, description="Weight decay coefficient of the optimiser.")
    layer_decay: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Layer-wise decay of the learning rate: the classifier has the full rate, and each layer of the "
        "backbone this times the rate of the layer above it; 0.65 to 0.8 are usual for pretrained vision transformers. "
        "Biases, norms, positions and the tokens without a patch then have no `weight_decay`. "
        "null: one rate for all weights.",
    )
    clip_norm: float | None = Field(
        None, gt=0, description="Maximum gradient norm; larger gradients are scaled down. null: no clipping."
    )
    accumulate: int = Field(
        1,
        ge=1,
        description="Gradient accumulation: number of parts in which each batch is processed, to save memory; must "
        "divide `batch_size`.",
    )


class ScheduleSettings(Section):
    """The schedule of the learning rate."""

    kind: Literal["plateau", "cosine", "one-cycle", "constant"] = Field(
        "plateau",
        description="`plateau`: multiply the rate by `factor` when `best_metric` has not improved for more than "
        "`patience` epochs. `cosine`: fall to `floor` along a half cosine. `one-cycle`: rise over `warmup_epochs`, "
        "then fall to `floor`, with the momentum changing in the opposite direction. `constant`: no change.",
    )
    warmup_epochs: float = Field(
        0.0,
        ge=0,
        description="Duration of the warm-up in epochs, which may be a fraction: a linear rise from near 0, or with "
        "`one-cycle` a cosine-shaped rise from 1/25 of the peak rate.",
    )
    factor: float = Field(
        0.3, gt=0, lt=1, description="Factor by which `plateau` multiplies the learning rate."
    )
    patience: int = Field(
        8,
        ge=0,
        description="Number of epochs without improvement that `plateau` tolerates before a reduction.",
    )
    floor: float = Field(
        1e-6, ge=0, description="Lowest learning rate of `plateau`, `cosine` and `one-cycle`."
    )


class EmaSettings(Section):
    """Exponential moving average of the weights, used for validation and saved in place of the weights."""

    decay: float = Field(
        0.999, gt=0, lt=1, description="Decay of the moving average: the fraction of it kept at each step."
    )
    warmup: bool = Field(
        True, description="Start with a smaller decay, (1 + step) / (10 + step), until `decay` is reached."
    )
