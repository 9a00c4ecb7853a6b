"""The training of one stage on all folds but one: setup, steps, validation, the best epoch kept.

Read from `train` downwards.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from threadpoolctl import threadpool_limits

from puzzlecell.runtime.progress import Progress, default_progress
from puzzlecell.runtime.signals import StopRequest
from puzzlecell.training.checkpoint import load_state
from puzzlecell.training.dataloaders import close_workers
from puzzlecell.training.history import Events, write_history
from puzzlecell.training.keeping import end_epoch, finish, save, summary
from puzzlecell.training.run import TrainingError, TrainingRun, check_run
from puzzlecell.training.setup import Session, make_fabric, make_session
from puzzlecell.training.steps import GO_ON, STOP, agreed, train_epoch, validate

__all__ = ["TrainingError", "TrainingRun", "train"]

log = logging.getLogger(__name__)


def train(run: TrainingRun, progress: Progress | None = None) -> None:
    """Train a stage and write model.safetensors, history.csv, curves.png and oof.csv into `run.output`.

    A state that an earlier, stopped run left in `run.states` is taken up where its fingerprint is the same;
    on a CPU the result is then that of a run that never stopped, to the bit. SIGTERM and SIGINT save the
    state and raise SystemExit (143, 130). `progress(done, total, text="")` is called with steps. Raises
    TrainingError for a table, device or loss (not finite) that training cannot go on with, NetworkError for
    the network or its weights.
    """
    check_run(run)
    with threads_of_torch(run.threads), threadpool_limits(run.threads, user_api="blas"):
        if run.world == 1:
            fit(make_fabric(run), run, progress or default_progress(f"fold {run.fold}"))
        else:
            launch(run)


@contextmanager
def threads_of_torch(count: int) -> Iterator[None]:
    """PyTorch works with `count` threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def launch(run: TrainingRun) -> None:
    """Train in `run.world` processes, one for each device; a request to stop is passed on to them."""
    with StopRequest(forward=True) as stop:
        try:
            # Fabric takes arguments of dataclass type apart, and cannot put frozen ones together again.
            make_fabric(run).launch(partial(fit_process, run=run))
        except torch.multiprocessing.ProcessExitedException:
            if stop.signal_number is None:
                raise
            raise stop.exit() from None


def fit_process(fabric: Fabric, run: TrainingRun) -> None:
    """The work of one of several processes."""
    logging.basicConfig(level=logging.INFO if fabric.is_global_zero else logging.WARNING)
    torch.set_num_threads(max(1, run.threads // fabric.world_size))
    fit(fabric, run, default_progress(f"fold {run.fold}") if fabric.is_global_zero else no_progress)


def no_progress(done: int, total: int, text: str = "") -> None:
    """Say nothing: another process reports."""


def fit(fabric: Fabric, run: TrainingRun, progress: Progress) -> None:
    """Epochs of steps and a validation each, from the saved state to the end."""
    session = make_session(run, fabric)
    state, explanation = load_state(run.states / "last.ckpt", run.fingerprint)
    if state is not None:
        session.load_state_dict(state)
        explanation += f", epoch {session.epoch + 1}, step {session.step}"
    log.info("%s", explanation)
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
    """One epoch, or what is left of it, from the first step to the saved state."""
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


def stale(session: Session) -> bool:
    """Whether the best epoch is so far back that training stops early."""
    patience = session.run.settings.early_stop
    return (
        patience is not None
        and session.best is not None
        and session.epoch - session.best["epoch"] >= patience
    )
