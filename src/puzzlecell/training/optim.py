"""Optimiser, learning rate and running mean of the weights."""

import copy
import math

import torch
from torch import nn
from torch.optim import Optimizer

from puzzlecell.config.training import EmaSettings, OptimiserSettings, ScheduleSettings
from puzzlecell.training.metrics import is_better

PLATEAU_THRESHOLD = 1e-4
ONE_CYCLE_START = 25
ONE_CYCLE_MOMENTUM = (0.85, 0.95)


def make_optimiser(network: nn.Module, settings: OptimiserSettings) -> Optimizer:
    """The configured optimiser over all weights of the network."""
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.name == "sgd":
        return torch.optim.SGD(
            network.parameters(),
            rate,
            momentum=settings.betas[0],
            nesterov=settings.betas[0] > 0,
            weight_decay=decay,
        )
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.name]
    return kind(network.parameters(), rate, betas=settings.betas, weight_decay=decay)


class LearningRate:
    """The learning rate of every step, and its reduction on a plateau.

    The plateau follows torch's ReduceLROnPlateau (relative threshold 1e-4): after more than `patience` epochs
    without a better metric the rate is multiplied by `factor`, down to `floor`.
    """

    def __init__(
        self, settings: ScheduleSettings, highest: float, steps_per_epoch: int, epochs: int, metric: str
    ):
        self.settings, self.highest, self.metric = settings, highest, metric
        self.steps = steps_per_epoch * epochs
        self.warmup = settings.warmup_epochs * steps_per_epoch
        self.reduced = highest
        self.best: float | None = None
        self.waited = 0

    def at(self, step: int) -> float:
        """Learning rate of step 0, 1, ..."""
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
        """First momentum of step 0, 1, ... where the schedule changes it: against the learning rate."""
        if self.settings.kind != "one-cycle":
            return None
        low, high = ONE_CYCLE_MOMENTUM
        if step < self.warmup:
            return _between(high, low, (step + 1) / math.ceil(self.warmup))
        return _between(low, high, (step - self.warmup) / max(1, self.steps - 1 - self.warmup))

    def apply(self, optimiser: Optimizer, step: int) -> None:
        """Set learning rate and momentum of a step."""
        momentum = self.momentum(step)
        for group in optimiser.param_groups:
            group["lr"] = self.at(step)
            if momentum is not None and "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            elif momentum is not None:
                group["momentum"] = momentum

    def epoch_ended(self, value: float) -> None:
        """Take note of an epoch's metric."""
        if self.settings.kind != "plateau":
            return
        margin = 0.0 if self.best is None else PLATEAU_THRESHOLD * self.best
        wanted = None if self.best is None else self.best + (-margin if self.metric == "loss" else margin)
        if is_better(self.metric, value, wanted):
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited > self.settings.patience:
            self.reduced, self.waited = max(self.reduced * self.settings.factor, self.settings.floor), 0

    def state_dict(self) -> dict[str, float | int | None]:
        """What changes during training."""
        return {"reduced": self.reduced, "best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, float | int | None]) -> None:
        """Continue from `state_dict()`."""
        self.reduced, self.best, self.waited = state["reduced"], state["best"], state["waited"]


def _between(first: float, last: float, share: float) -> float:
    """Half a cosine wave from `first` (share 0) to `last` (share 1)."""
    return last + (first - last) * (1 + math.cos(math.pi * min(1.0, share))) / 2


class RunningMean:
    """Exponential mean of a network's weights; batch statistics are taken over as they are."""

    def __init__(self, network: nn.Module, settings: EmaSettings):
        self.settings = settings
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after an optimiser step."""
        decay = self.settings.decay
        if self.settings.warmup:
            decay = min(decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), 1 - decay)
        for mine, current in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(current)

    def state_dict(self) -> dict:
        """Weights and number of updates."""
        return {"network": self.network.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict) -> None:
        """Continue from `state_dict()`."""
        self.network.load_state_dict(state["network"])
        self.steps = state["steps"]
