"""Checkpoints of a training, and its final outputs.

The saved state holds everything needed to resume as if the training had never stopped; on a CPU the result is identical
to the bit.
"""

import io
import os
import pickle
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from puzzlecell.errors import DamagedFileError, UserError
from puzzlecell.network.cam_network import save_network
from puzzlecell.network.network_file import read_network_file
from puzzlecell.runtime.atomic import remove_partials, written_whole
from puzzlecell.runtime.checksums import EMPTY_MARK, read_sealed, sealed
from puzzlecell.runtime.messages import first_line
from puzzlecell.training.dataloaders import held_out
from puzzlecell.training.history import draw_curves, write_history, write_predictions
from puzzlecell.training.run import TrainingError, TrainingRun
from puzzlecell.training.setup import Best, Session

VERSION = 3


def save(session: Session) -> None:
    """Save the state and delete weights that are no longer the best; raises TrainingError for non-finite weights."""
    fabric, states = session.fabric, session.run.states
    state = session_state(session)
    if not all(bool(torch.isfinite(weight).all()) for weight in session.network.parameters()):
        raise TrainingError(
            f"epoch {session.epoch + 1}, step {session.step}: weights are no longer finite; the last "
            f"good state is in {states}. A lower optimiser.learning_rate or optimiser.clip_norm: 1 may "
            f"help"
        )
    if fabric.is_global_zero:
        save_state(states / "last.ckpt", session.run.fingerprint, state)
        for old in states.glob("best-*.safetensors"):
            if session.best is None or old.name != session.best["file"]:
                old.unlink()
    fabric.barrier()


def resume(session: Session) -> str:
    """Load the saved state if it belongs to this training; return a log message that says so or why not.

    Files that a killed process left half written are removed.
    """
    if session.fabric.is_global_zero:
        remove_partials(session.run.states)
    state, explanation = load_state(session.run.states / "last.ckpt", session.run.fingerprint)
    if state is not None:
        restore(session, state)
        explanation += f", epoch {session.epoch + 1}, step {session.step}"
    return explanation


def save_best(session: Session) -> None:
    """Write the weights of the current epoch, which is the best."""
    best = session.best
    assert best is not None, "the current epoch is the best"
    if session.fabric.is_global_zero:
        save_network(session.run.states / best["file"], session.evaluated, metadata(session.run, best))


def finish(session: Session) -> None:
    """Write the outputs and delete the saved state; raises TrainingError if there is no best epoch."""
    run, best = session.run, session.best
    if best is None:
        raise TrainingError(
            f"best_metric: {run.settings.best_metric} was NaN in every epoch; choose another metric"
        )
    output, data = Path(run.output), held_out(session.validation)
    write_history(output / "history.csv", session.history)
    title = f"{run.settings.network.backbone}, fold {run.fold} held out"
    draw_curves(output / "curves.png", session.history, best["epoch"], title, run.shown)
    soft = run.cells is not None
    write_predictions(output / "oof.csv", data.keys, data.labels, best["probabilities"].numpy(), soft=soft)
    read_network_file(run.states / best["file"])
    with written_whole(output / "model.safetensors") as temporary:
        shutil.copyfile(run.states / best["file"], temporary)
    (run.states / "last.ckpt").unlink(missing_ok=True)
    for old in run.states.glob("best-*.safetensors"):
        old.unlink()


def metadata(run: TrainingRun, best: Best) -> dict[str, object]:
    """Return the metadata of a model file about its training."""
    return {
        "training": run.settings.model_dump(mode="json"),
        "fold": run.fold,
        "epoch": best["epoch"],
        run.settings.best_metric: best["value"],
        **run.metadata,
    }


def session_state(session: Session) -> dict[str, Any]:
    """Return everything needed to resume, with any number of processes; must be called in all of them."""
    return {
        "network": learnt(session, session.network),
        "mean": None if session.mean is None else learnt(session, session.mean),
        "optimiser": session.optimiser.state_dict(),
        "rate": session.rate.state_dict(),
        "precision": session.fabric.strategy.precision.state_dict(),
        "random": random_states(session),
        "epoch": session.epoch,
        "step": session.step,
        "updates": session.updates,
        "sums": session.summed(),
        "seconds": session.seconds,
        "history": session.history,
        "best": session.best,
    }


def learnt(session: Session, module: nn.Module) -> dict[str, Tensor]:
    """Return the state of a network or of its running mean, without a frozen backbone, which does not change."""
    state = module.state_dict()
    if not session.run.settings.network.frozen:
        return state
    return {name: tensor for name, tensor in state.items() if "backbone" not in name.split(".")}


def restore(session: Session, state: dict[str, Any]) -> None:
    """Restore a state returned by `session_state`."""
    whole = not session.run.settings.network.frozen
    session.network.load_state_dict(state["network"], strict=whole)
    if session.mean is not None:
        session.mean.load_state_dict(state["mean"], strict=whole)
    session.optimiser.load_state_dict(state["optimiser"])
    session.rate.load_state_dict(state["rate"])
    session.fabric.strategy.precision.load_state_dict(state["precision"])
    if len(state["random"]) == session.fabric.world_size:
        set_random_state(state["random"][session.fabric.global_rank], session.fabric.device)
    if session.fabric.is_global_zero:
        session.sums = state["sums"].to(session.fabric.device)
    for name in ("epoch", "step", "updates", "seconds", "history", "best"):
        setattr(session, name, state[name])


def random_states(session: Session) -> list[dict[str, Any]]:
    """Return the states of the random generators of all processes; gathered in every process."""
    mine = random_state(session.fabric.device)
    if session.fabric.world_size == 1:
        return [mine]
    gathered: list[Any] = [None] * session.fabric.world_size
    torch.distributed.all_gather_object(gathered, mine)
    return gathered


def save_state(path: str | os.PathLike, fingerprint: str, state: dict[str, Any]) -> None:
    """Write a state (tensors, numbers, strings; lists and dicts of them) with the training's fingerprint."""
    content = io.BytesIO()
    content.write(f"{EMPTY_MARK}\n".encode())
    payload = io.BytesIO()
    torch.save({"version": VERSION, "fingerprint": fingerprint, "state": state}, payload)
    content.write(payload.getbuffer())
    with written_whole(path) as temporary:
        temporary.write_bytes(sealed(content.getvalue()))


def load_state(path: str | os.PathLike, fingerprint: str) -> tuple[dict[str, Any] | None, str]:
    """Return the state at `path` (tensors on the CPU), or None if it cannot be resumed, and a log message.

    A state that has changed since it was saved, or whose best weights are missing or have changed, is not resumed.
    """
    path = Path(path)
    if not path.is_file():
        return None, "starting at the first epoch"
    try:
        content = read_sealed(path)
        saved = torch.load(io.BytesIO(memoryview(content)[len(EMPTY_MARK) + 1 :]), "cpu", weights_only=True)
    except DamagedFileError as error:
        return None, f"starting again: {path} is damaged: {error.found}"
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        return None, f"starting again: {path} cannot be read: {first_line(error)}"
    if saved["version"] != VERSION:
        return None, f"starting again: {path} has format version {saved['version']}, expected {VERSION}"
    if saved["fingerprint"] != fingerprint:
        return None, f"starting again: configuration, inputs or code changed since {path} was saved"
    best = saved["state"].get("best")
    if best is not None:
        try:
            read_network_file(path.parent / best["file"])
        except UserError as error:
            return None, f"starting again: the best weights so far cannot be used: {error}"
    return saved["state"], f"resuming from {path}"


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the state of all random generators of this process, as tensors and numbers."""
    version, keys, gauss = random.getstate()
    legacy = np.random.get_state()
    assert isinstance(legacy, tuple), "numpy's global generator is a Mersenne twister"
    name, key, position, has_gauss, cached = legacy
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "python": [version, list(keys), gauss],
        "numpy": [name, torch.from_numpy(key.astype(np.int64)), position, has_gauss, cached],
    }


def set_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Restore the state of all random generators of this process from `random_state`."""
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], device)
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    name, key, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, key.numpy().astype(np.uint32), position, has_gauss, cached))
