"""The saved state of a training: all that is needed to go on as if it had never stopped."""

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from puzzlecell.runtime.atomic import written_whole

VERSION = 1


def save_state(path: str | os.PathLike, fingerprint: str, state: dict[str, Any]) -> None:
    """Write a state (tensors, numbers, texts; lists and dicts of them) with the training's fingerprint."""
    with written_whole(path) as temporary:
        torch.save({"version": VERSION, "fingerprint": fingerprint, "state": state}, temporary)


def load_state(path: str | os.PathLike, fingerprint: str) -> tuple[dict[str, Any] | None, str]:
    """The state at `path`, or None, and a sentence saying which it is and why. Tensors are put on the CPU."""
    path = Path(path)
    if not path.is_file():
        return None, "starting at the first epoch"
    saved = torch.load(path, map_location="cpu", weights_only=True)
    if saved["version"] != VERSION:
        return None, f"starting afresh: {path} was saved in format {saved['version']}, this is {VERSION}"
    if saved["fingerprint"] != fingerprint:
        return None, f"starting afresh: configuration, inputs or code changed since {path} was saved"
    return saved["state"], f"resuming from {path}"


def random_state(device: torch.device) -> dict[str, Any]:
    """State of all random generators of this process, as tensors and numbers."""
    version, keys, gauss = random.getstate()
    name, key, position, has_gauss, cached = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "python": [version, list(keys), gauss],
        "numpy": [name, torch.from_numpy(key.astype(np.int64)), position, has_gauss, cached],
    }


def set_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Put all random generators of this process where `random_state` found them."""
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], device)
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    name, key, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, key.numpy().astype(np.uint32), position, has_gauss, cached))
