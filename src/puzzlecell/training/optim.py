"""Optimiser, learning-rate schedule and exponential moving average of the weights."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from puzzlecell.config.optimiser import EmaSettings, OptimiserSettings, ScheduleSettings
from puzzlecell.network._timm import ModelEmaV3, param_groups_layer_decay
from puzzlecell.network.network_file import NetworkError

ONE_CYCLE_START = 25
ONE_CYCLE_MOMENTUM = (0.85, 0.95)


def make_optimiser(network: nn.Module, settings: OptimiserSettings) -> Optimizer:
    """Return the configured optimiser for all weights of the network; for `layer_decay`, of a `CamNetwork`.

    Raises NetworkError for a `layer_decay` with a backbone whose layers timm does not know.
    """
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.layer_decay is None:
        weights: Iterable[Any] = network.parameters()
    else:
        weights = decayed_groups(network, settings.layer_decay, decay)
    if settings.name == "sgd":
        return torch.optim.SGD(
            weights,
            rate,
            momentum=settings.betas[0],
            nesterov=settings.betas[0] > 0,
            weight_decay=decay,
        )
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.name]
    return kind(weights, rate, betas=settings.betas, weight_decay=decay)


def decayed_groups(network: nn.Module, layer_decay: float, weight_decay: float) -> list[dict[str, Any]]:
    """Groups of the weights of a `CamNetwork` by the layer of its backbone, each with its `lr_scale`.

    They are timm's, with the classifier as the layer above the backbone: of n layers below it, number i = 0, 1, ... has
    the scale layer_decay^(n - i). A last norm belongs to the last block (Bao et al., BEiT, 2021).
    """
    backbone: Any = network.get_submodule("backbone")
    if not hasattr(backbone, "group_matcher"):
        raise NetworkError(
            f"optimiser.layer_decay: timm does not know the layers of this backbone ({type(backbone).__name__}); "
            "leave it out"
        )
    without_decay = backbone.no_weight_decay() if hasattr(backbone, "no_weight_decay") else ()
    groups = param_groups_layer_decay(
        backbone,
        weight_decay=weight_decay,
        no_weight_decay_list=without_decay,
        layer_decay=layer_decay,
    )
    for group in groups:
        group["lr_scale"] *= layer_decay
    classifier = list(network.get_submodule("classifier").parameters())
    return [*groups, {"params": classifier, "weight_decay": weight_decay, "lr_scale": 1.0}]


class LearningRate:
    """Learning-rate schedule: the rate of every step, and its reduction on a plateau.

    The plateau is torch's ReduceLROnPlateau (relative threshold 1e-4): after more than `patience` epochs without an
    improved metric, the rate is multiplied by `factor`, down to `floor`. Warm-up, cosine and one-cycle depend only on
    the step, so a resumed training needs no state for them. In contrast, torch's CosineAnnealingLR is recursive, and
    its OneCycleLR starts exactly at the lowest rate and ends its warm-up one step earlier.
    """

    def __init__(
        self, settings: ScheduleSettings, highest: float, steps_per_epoch: int, epochs: int, metric: str
    ):
        self.settings, self.highest = settings, highest
        self.steps = steps_per_epoch * epochs
        self.warmup = settings.warmup_epochs * steps_per_epoch
        # ReduceLROnPlateau changes the rate of an optimiser; this dummy optimiser only holds it.
        self.holder = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=highest)
        self.plateau = ReduceLROnPlateau(
            self.holder,
            mode="min" if metric == "loss" else "max",
            factor=settings.factor,
            patience=settings.patience,
            min_lr=settings.floor,
            eps=0,
        )

    @property
    def reduced(self) -> float:
        """Return the highest rate after all reductions on plateaus so far."""
        return self.holder.param_groups[0]["lr"]

    def at(self, step: int) -> float:
        """Return the learning rate of step 0, 1, ..."""
        kind, floor = self.settings.kind, self.settings.floor
        if step < self.warmup:
            share = (step + 1) / math.ceil(self.warmup)
            if kind == "one-cycle":
                return _between(self.highest / ONE_CYCLE_START, self.highest, share)
            return self.reduced * share
        if kind in ("cosine", "one-cycle"):
            return _between(self.highest, floor, (step - self.warmup) / max(1, self.steps - 1 - self.warmup))
        return self.reduced

    def momentum(self, step: int) -> float | None:
        """Return the momentum (or first beta) of step 0, 1, ...; None unless the schedule is one-cycle.

        It falls while the learning rate rises, and rises while the rate falls.
        """
        if self.settings.kind != "one-cycle":
            return None
        low, high = ONE_CYCLE_MOMENTUM
        if step < self.warmup:
            return _between(high, low, (step + 1) / math.ceil(self.warmup))
        return _between(low, high, (step - self.warmup) / max(1, self.steps - 1 - self.warmup))

    def apply(self, optimiser: Optimizer, step: int) -> None:
        """Set the learning rate, times the `lr_scale` of a group that has one, and momentum of a step."""
        momentum = self.momentum(step)
        for group in optimiser.param_groups:
            group["lr"] = self.at(step) * group.get("lr_scale", 1)
            if momentum is not None and "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            elif momentum is not None:
                group["momentum"] = momentum

    def epoch_ended(self, value: float) -> None:
        """Update the plateau with an epoch's metric."""
        if self.settings.kind == "plateau":
            self.plateau.step(value)

    def state_dict(self) -> dict[str, Any]:
        """Return the state that changes during training."""
        return {"reduced": self.reduced, "plateau": self.plateau.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state returned by `state_dict`."""
        self.holder.param_groups[0]["lr"] = state["reduced"]
        self.plateau.load_state_dict(state["plateau"])


def _between(first: float, last: float, share: float) -> float:
    """Interpolate along half a cosine wave, from `first` (share 0) to `last` (share 1)."""
    return last + (first - last) * (1 + math.cos(math.pi * min(1.0, share))) / 2


def make_running_mean(network: nn.Module, settings: EmaSettings) -> ModelEmaV3:
    """Return an exponential moving average of a network's weights; batch statistics are copied unchanged.

    With `warmup`, the decay at update u = 1, 2, ... is min(decay, u / (u + 9)).
    """
    mean = ModelEmaV3(
        network,
        decay=settings.decay,
        use_warmup=settings.warmup,
        warmup_gamma=9,
        warmup_power=1,
        exclude_buffers=True,
    )
    return mean.requires_grad_(False)
