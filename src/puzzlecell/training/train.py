"""Training of one stage on all folds but one: setup, steps, validation and selection of the best epoch.

Start reading at `train`.
"""

import logging
from functools import partial
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric

from puzzlecell.runtime.claim import claimed
from puzzlecell.runtime.progress import Progress, default_progress, no_progress
from puzzlecell.runtime.signals import StopRequest
from puzzlecell.runtime.temporary import note_process
from puzzlecell.runtime.threads import limited_threads, set_threads
from puzzlecell.training.checkpoint import finish, resume, save, save_best
from puzzlecell.training.dataloaders import close_workers, held_out, trained_on
from puzzlecell.training.history import Events, write_history
from puzzlecell.training.metrics import is_better, validation_metrics
from puzzlecell.training.run import TrainingRun, check_table
from puzzlecell.training.setup import Session, make_fabric, make_session
from puzzlecell.training.steps import GO_ON, STOP, agreed, train_epoch, validate

PARTS = ("loss", "full", "tiles", "consistency")

log = logging.getLogger(__name__)


def train(run: TrainingRun, progress: Progress | None = None) -> None:
    """Train a stage and write model.safetensors, history.csv, curves.png and oof.csv into `run.output`.

    A state that a stopped run left in `run.states` is resumed if its fingerprint matches; on a CPU the result is
    then identical to the bit to that of an uninterrupted run. SIGTERM and SIGINT save the state and raise SystemExit
    (143, 130). `progress(done, total, text="")` counts steps.

    Raises TrainingError for an invalid table or device and for a loss or weights that are not finite; NetworkError
    for the network or its weights; ClaimError if another machine goes on with the same states.
    """
    check_table(run)
    # States on a volume can be reached from several machines, where the claim beside the log does not count.
    shared = run.states / ".claim" if run.states_below else None
    with claimed(shared, handover=True), limited_threads(run.threads, opencv=1):
        if run.world == 1:
            fit(make_fabric(run), run, progress or default_progress(f"fold {run.fold}"))
        else:
            launch(run)


def launch(run: TrainingRun) -> None:
    """Train in `run.world` processes, one per device; stop signals are forwarded to them."""
    with StopRequest(forward=True) as stop:
        try:
            # Bind `run`, because Fabric takes apart dataclass arguments and cannot reassemble frozen ones.
            make_fabric(run).launch(partial(fit_process, run=run))
        except torch.multiprocessing.ProcessExitedException:
            if stop.signal_number is None:
                raise
            raise stop.exit() from None


def fit_process(fabric: Fabric, run: TrainingRun) -> None:
    """Run one of several training processes."""
    note_process()
    logging.basicConfig(level=logging.INFO if fabric.is_global_zero else logging.WARNING)
    set_threads(max(1, run.threads // fabric.world_size), opencv=1)
    fit(fabric, run, default_progress(f"fold {run.fold}") if fabric.is_global_zero else no_progress)


def fit(fabric: Fabric, run: TrainingRun, progress: Progress) -> None:
    """Train and validate epoch by epoch, from the saved state to the end."""
    session = make_session(run, fabric)
    explanation = resume(session)
    data, held = trained_on(session.training), held_out(session.validation)
    log.info("%d %s to train on, %d held out", len(data), run.shown, len(held))
    log.log(logging.WARNING if explanation.startswith("starting again") else logging.INFO, "%s", explanation)
    events_folder = run.states / "events" if run.settings.tensorboard and fabric.is_global_zero else None
    events = Events(events_folder, session.epoch + 1)
    try:
        with StopRequest() as stop:
            while session.epoch < run.settings.epochs and not stale(session):
                make_epoch(session, stop, progress, events)
    finally:
        events.close()
        close_workers(session.training)
        close_workers(session.validation)
    if fabric.is_global_zero:
        finish(session)
    fabric.barrier()


def make_epoch(session: Session, stop: StopRequest, progress: Progress, events: Events) -> None:
    """Run one epoch, or the rest of it: steps, validation and saving."""
    run = session.run
    train_epoch(session, stop, progress)
    end_epoch(session, *validate(session, stop))
    if session.fabric.is_global_zero:
        write_history(Path(run.output) / "history.csv", session.history)
        events.add(session.history[-1])
    progress(session.epoch * session.steps, run.settings.epochs * session.steps, summary(session))
    save(session)
    if agreed(session, STOP if stop.signal_number is not None else GO_ON) == STOP:
        raise stop.exit()


def end_epoch(session: Session, labels: np.ndarray, probabilities: np.ndarray, losses: np.ndarray) -> None:
    """End-of-epoch bookkeeping: add to the history, save the weights if they are the best, reset the counters."""
    settings = session.run.settings
    sums = session.summed()
    shown = session.steps * settings.batch_size
    last = (session.epoch + 1) * session.steps - 1
    session.epoch += 1
    row: dict[str, float] = {"epoch": session.epoch}
    row |= {f"train_{part}": float(value) / shown for part, value in zip(PARTS, sums, strict=True)}
    row |= {part: float(value) for part, value in zip(PARTS, losses.astype(np.float64).mean(0), strict=True)}
    row |= validation_metrics(labels, probabilities)
    row["learning_rate"] = session.rate.at(last)
    row["gamma"] = session.loss.gamma(last / max(1, settings.epochs * session.steps - 1))
    row["seconds"] = session.seconds
    row[f"{session.run.shown}_per_s"] = shown / session.seconds if session.seconds > 0 else 0.0
    session.history.append(row)
    value = row[settings.best_metric]
    session.rate.epoch_ended(value)
    if is_better(settings.best_metric, value, None if session.best is None else session.best["value"]):
        session.best = {
            "epoch": session.epoch,
            "value": value,
            "file": f"best-{session.epoch}.safetensors",
            "probabilities": torch.from_numpy(probabilities),
        }
        save_best(session)
    session.step, session.seconds = 0, 0.0
    session.sums.zero_()


def summary(session: Session) -> str:
    """Return a one-line summary of the last epoch."""
    row, shown = session.history[-1], session.run.shown
    best = "" if session.best is None or session.best["epoch"] != session.epoch else ", best so far"
    return (
        f"epoch {session.epoch}: training loss {row['train_loss']:.4f}, held-out loss {row['loss']:.4f}, "
        f"mean AP {row['map']:.3f}, F1 {row['f1_samples']:.3f}, {row[f'{shown}_per_s']:.1f} {shown}/s{best}"
    )


def stale(session: Session) -> bool:
    """Return whether early stopping applies: no improvement for `early_stop` epochs."""
    patience = session.run.settings.early_stop
    return (
        patience is not None
        and session.best is not None
        and session.epoch - session.best["epoch"] >= patience
    )
