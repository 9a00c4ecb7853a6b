"""What is kept of an epoch: a row of the history, the best weights, the state, the outputs."""

import shutil
from pathlib import Path

import numpy as np
import torch

from puzzlecell.network.cam_network import save_network
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.training.checkpoint import save_state
from puzzlecell.training.history import draw_curves, write_history, write_predictions
from puzzlecell.training.metrics import image_metrics, is_better
from puzzlecell.training.run import TrainingError
from puzzlecell.training.setup import Session

PARTS = ("loss", "full", "tiles", "consistency")


def end_epoch(session: Session, labels: np.ndarray, probabilities: np.ndarray, losses: np.ndarray) -> None:
    """Add the epoch to the history, keep its weights where they are the best, and go to the next."""
    settings, fabric = session.run.settings, session.fabric
    sums = session.summed()
    shown = session.steps * settings.batch_size
    last = (session.epoch + 1) * session.steps - 1
    session.epoch += 1
    row: dict[str, float] = {"epoch": session.epoch}
    row |= {f"train_{part}": float(value) / shown for part, value in zip(PARTS, sums, strict=True)}
    row |= {part: float(value) for part, value in zip(PARTS, losses.astype(np.float64).mean(0), strict=True)}
    row |= image_metrics(labels, probabilities)
    row["learning_rate"] = session.rate.at(last)
    row["gamma"] = session.loss.gamma(last / max(1, settings.epochs * session.steps - 1))
    row["seconds"] = session.seconds
    row["fields_per_s"] = shown / session.seconds if session.seconds > 0 else 0.0
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
        if fabric.is_global_zero:
            save_network(session.run.states / session.best["file"], session.evaluated, metadata(session))
    session.step, session.seconds = 0, 0.0
    session.sums.zero_()


def metadata(session: Session) -> dict[str, object]:
    """What a model file says about its training."""
    run, best = session.run, session.best
    return {
        "training": run.settings.model_dump(mode="json"),
        "fold": run.fold,
        "epoch": best["epoch"],
        run.settings.best_metric: best["value"],
        **run.metadata,
    }


def summary(session: Session) -> str:
    """An epoch in one line."""
    row = session.history[-1]
    best = "" if session.best is None or session.best["epoch"] != session.epoch else ", best so far"
    return (
        f"epoch {session.epoch}: training loss {row['train_loss']:.4f}, held-out loss {row['loss']:.4f}, "
        f"mean AP {row['map']:.3f}, F1 {row['f1_samples']:.3f}, {row['fields_per_s']:.1f} fields/s{best}"
    )


def save(session: Session) -> None:
    """Write the state, if every weight is a finite number, and drop weights that are no longer the best."""
    fabric, states = session.fabric, session.run.states
    state = session.state_dict()
    if not all(bool(torch.isfinite(weight).all()) for weight in session.network.parameters()):
        raise TrainingError(
            f"epoch {session.epoch + 1}, step {session.step}: weights are no longer finite numbers; the last "
            f"good state is kept in {states}. A lower optimiser.learning_rate or optimiser.clip_norm: 1 may "
            f"help"
        )
    if fabric.is_global_zero:
        save_state(states / "last.ckpt", session.run.fingerprint, state)
        for old in states.glob("best-*.safetensors"):
            if session.best is None or old.name != session.best["file"]:
                old.unlink()
    fabric.barrier()


def finish(session: Session) -> None:
    """Write the outputs and remove the saved state."""
    run, best = session.run, session.best
    if best is None:
        raise TrainingError(
            f"no epoch has a {run.settings.best_metric} that is a number; choose another best_metric"
        )
    output, held_out = Path(run.output), session.validation.dataset
    write_history(output / "history.csv", session.history)
    title = f"{run.settings.network.backbone}, fold {run.fold} held out"
    draw_curves(output / "curves.png", session.history, best["epoch"], title)
    write_predictions(output / "oof.csv", held_out.ids, held_out.labels, best["probabilities"].numpy())
    with written_whole(output / "model.safetensors") as temporary:
        shutil.copyfile(run.states / best["file"], temporary)
    (run.states / "last.ckpt").unlink(missing_ok=True)
    for old in run.states.glob("best-*.safetensors"):
        old.unlink()
