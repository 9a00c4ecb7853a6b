"""A short training with a loss of one's own, from the weights of a finished one: what all tried techniques share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from puzzlecell.config.optimiser import OptimiserSettings, ScheduleSettings
from puzzlecell.network.cam_network import CamNetwork, load_network, save_network
from puzzlecell.network.memory import channels_last
from puzzlecell.runtime.malloc import keep_freed_memory
from puzzlecell.training.optim import LearningRate, make_optimiser

StepLoss = Callable[[CamNetwork, np.random.Generator], Tensor]
"""Loss of one step, for a network in training mode; draws its batch from the generator."""


def fine_tune(start: Path, output: Path, step_loss: StepLoss, *, steps: int, rate: float, seed: int) -> None:
    """Train `steps` steps of AdamW with a one-cycle schedule, then write model.safetensors into `output`."""
    keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = channels_last(load_network(start)).train()
    optimiser = make_optimiser(network, OptimiserSettings(name="adamw", learning_rate=rate))
    rates = LearningRate(ScheduleSettings(kind="one-cycle", warmup_epochs=0.1), rate, steps, 1, "loss")
    for step in range(steps):
        rates.apply(optimiser, step)
        optimiser.zero_grad()
        loss = step_loss(network, rng)
        loss.backward()
        optimiser.step()
        if not torch.isfinite(loss):
            raise RuntimeError(f"{output}: the loss is not finite at step {step}")
    output.mkdir(parents=True, exist_ok=True)
    save_network(output / "model.safetensors", network.eval())


def as_batch(images: list[np.ndarray] | np.ndarray) -> Tensor:
    """Images (H, W, 4) uint8 as one batch (B, 4, H, W), channels last."""
    batch = torch.from_numpy(np.ascontiguousarray(np.stack(list(images)))).permute(0, 3, 1, 2)
    return batch.contiguous(memory_format=torch.channels_last)


def turned(array: np.ndarray, turn: int) -> np.ndarray:
    """One of eight orientations of an array (H, W, ...): quarter turns, mirrored from 4 on."""
    array = np.rot90(array, turn % 4)
    return array[:, ::-1] if turn >= 4 else array
