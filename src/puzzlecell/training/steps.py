"""Training steps and validation of an epoch."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from puzzlecell.network.puzzle import PuzzleOutput
from puzzlecell.runtime.progress import Progress
from puzzlecell.runtime.signals import StopRequest
from puzzlecell.training.cell_crops import read_under_cells
from puzzlecell.training.checkpoint import save
from puzzlecell.training.dataloaders import held_out, trained_on
from puzzlecell.training.run import TrainingError
from puzzlecell.training.samples import Batch
from puzzlecell.training.setup import Session, as_shown

AGREE_EVERY = 10
GO_ON, SAVE, STOP = range(3)


def train_epoch(session: Session, stop: StopRequest, progress: Progress) -> None:
    """Run the remaining steps of an epoch.

    Saves the state every `save_minutes`. After a request to stop, saves the state and raises SystemExit.
    """
    settings = session.run.settings
    total = settings.epochs * session.steps
    session.batches.epoch, session.batches.first_step = session.epoch, session.step
    session.module.train()
    saved = started = time.monotonic()
    before = session.seconds
    unchecked: Losses | None = None
    batches = iter(session.training) if session.step < session.steps else iter(())
    while session.step < session.steps:
        made = session.epoch * session.steps + session.step
        session.rate.apply(session.optimiser.optimizer, made)
        losses = train_step(session, batches, made / max(1, total - 1))
        session.sums += losses.parts.sum(1)
        session.step += 1
        session.seconds = before + time.monotonic() - started
        # Check the loss one step late, so that the GPU is not synchronised.
        check_finite_losses(session, unchecked)
        unchecked = losses
        progress(made + 1, total)
        action = SAVE if due(settings.save_minutes, saved) else GO_ON
        action = agreed(session, STOP if stop.signal_number is not None else action)
        if action != GO_ON:
            check_finite_losses(session, unchecked)
            save(session)
            saved = time.monotonic()
        if action == STOP:
            raise stop.exit()
    check_finite_losses(session, unchecked)


class Losses(NamedTuple):
    """Losses of a batch, still on the device: parts (4, B), rows (B,) of its fields or cells and the step number."""

    parts: Tensor
    rows: Tensor
    step: int


def train_step(session: Session, batches: Iterator[Batch], share: float) -> Losses:
    """Run one optimiser step over a batch, in `accumulate` parts; `share` is the completed fraction of all steps."""
    fabric, settings = session.fabric, session.run.settings.optimiser
    parts, rows = [], []
    for part in range(settings.accumulate):
        batch = next(batches)
        images, labels = on_device(session, batch)
        more = part < settings.accumulate - 1 and fabric.world_size > 1
        with fabric.no_backward_sync(session.module) if more else nullcontext():
            losses = session.loss(read(session, session.module(images), batch), labels, share)
            fabric.backward(losses.total.mean() / settings.accumulate)
        parts.append(torch.stack(losses).detach())
        rows.append(batch.rows)
    if settings.clip_norm is not None:
        fabric.clip_gradients(
            session.module, session.optimiser, max_norm=settings.clip_norm, error_if_nonfinite=False
        )
    session.optimiser.step()
    session.optimiser.zero_grad()
    if session.mean is not None:
        session.updates += 1
        # timm counts from 0 and does not average at step 0.
        session.mean.update(session.network, step=session.updates + 1)
    return Losses(torch.cat(parts, dim=1), torch.cat(rows), session.step + 1)


def read(session: Session, output: PuzzleOutput, batch: Batch) -> PuzzleOutput:
    """Return the output whose logits are compared with the labels: for crops of cells, those under the cell."""
    cells = session.run.cells
    if cells is None or batch.shares is None or cells.pool == "canvas":
        return output
    return read_under_cells(output, batch.shares.to(session.fabric.device, non_blocking=True))


def on_device(session: Session, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return images (B, 4, H, W) uint8, or features (B, D, h, w) float16, and labels (B, C) float32 on the device."""
    images = batch.images.to(session.fabric.device, non_blocking=True)
    if session.run.settings.network.frozen:
        return images, batch.labels.to(session.fabric.device, non_blocking=True)
    images = images.permute(0, 3, 1, 2)
    if not session.run.settings.compute.channels_last:
        images = images.contiguous()
    return images, batch.labels.to(session.fabric.device, non_blocking=True)


def due(minutes: float | None, saved: float) -> bool:
    """Return whether a state saved at the monotonic time `saved` is at least `minutes` old; never if None."""
    return minutes is not None and time.monotonic() - saved >= 60 * minutes


def agreed(session: Session, action: int) -> int:
    """Highest-priority action requested by any process; checked rarely, because it synchronises."""
    fabric = session.fabric
    if fabric.world_size == 1:
        return action
    if session.step % AGREE_EVERY:
        return GO_ON
    wanted = torch.tensor(action, device=fabric.device)
    torch.distributed.all_reduce(wanted, torch.distributed.ReduceOp.MAX)
    return int(wanted)


def check_finite_losses(session: Session, losses: Losses | None, training: bool = True) -> None:
    """Raise TrainingError naming the fields or cells of a batch whose loss is not finite."""
    if losses is None or bool(torch.isfinite(losses.parts[0]).all()):
        return
    data = trained_on(session.training) if training else held_out(session.validation)
    bad = [data.name(row) for row in losses.rows.tolist()]
    kept = session.run.states / "last.ckpt"
    raise TrainingError(
        f"epoch {session.epoch + 1}, step {losses.step}: the loss is not finite "
        f"({'training' if training else 'validation'}). {session.run.shown.capitalize()} of the batch: "
        f"{', '.join(bad)}. "
        + (f"The last good state is in {kept}. " if kept.is_file() else "")
        + "A lower optimiser.learning_rate, optimiser.clip_norm: 1 or compute.precision: float32 may help"
    )


@torch.no_grad()
def validate(session: Session, stop: StopRequest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels and probabilities (N, C) and losses (N, 4) of the held-out fields or cells in order; float32."""
    fabric, settings = session.fabric, session.run.settings
    share_buffers(session)
    network = as_shown(session.evaluated, settings).eval()
    done = (session.epoch + 1) * session.steps / max(1, settings.epochs * session.steps - 1)
    rows, labels, probabilities, losses = [], [], [], []
    for batch in session.validation:
        images, truth = on_device(session, batch)
        with fabric.autocast():
            output = read(session, network(images, tiles=settings.puzzle.validate_tiles), batch)
        parts = torch.stack(session.loss(output, truth, min(1.0, done)))
        check_finite_losses(session, Losses(parts, batch.rows, session.step), training=False)
        rows.append(batch.rows.numpy())
        labels.append(batch.labels.numpy())
        probabilities.append(output.logits.sigmoid().float().cpu().numpy())
        losses.append(parts.T.float().cpu().numpy())
        if stop.signal_number is not None and fabric.world_size == 1:
            save(session)
            raise stop.exit()
    mine = tuple(
        np.concatenate(arrays) if arrays else None for arrays in (rows, labels, probabilities, losses)
    )
    everyone: list[Any] = [mine]
    if fabric.world_size > 1:
        everyone = [None] * fabric.world_size
        torch.distributed.all_gather_object(everyone, mine)
    columns = [
        np.concatenate([array for array in arrays if array is not None])
        for arrays in zip(*everyone, strict=True)
    ]
    order = np.argsort(columns[0])
    return columns[1][order], columns[2][order], columns[3][order]


def share_buffers(session: Session) -> None:
    """Broadcast the batch statistics of the first process, which are the ones saved, to all processes."""
    if session.fabric.world_size == 1:
        return
    for network in (session.network, session.evaluated):
        for buffer in network.buffers():
            torch.distributed.broadcast(buffer, 0)
