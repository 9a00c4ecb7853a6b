import random

import numpy as np
import pytest
import torch

from puzzlecell.training.checkpoint import load_state, random_state, save_state, set_random_state

CPU = torch.device("cpu")


class Anything:
    """An object that is not a tensor."""


def test_a_saved_state_can_be_loaded(tmp_path):
    state = {"weights": {"a": torch.arange(3.0)}, "epoch": 2, "history": [{"loss": 0.5}], "best": None}
    save_state(tmp_path / "last.ckpt", "one", state)
    found, explanation = load_state(tmp_path / "last.ckpt", "one")
    assert torch.equal(found.pop("weights")["a"], state.pop("weights")["a"])
    assert found == state
    assert "resuming from" in explanation


def test_a_state_with_another_fingerprint_is_not_resumed(tmp_path):
    save_state(tmp_path / "last.ckpt", "one", {"epoch": 2})
    assert load_state(tmp_path / "last.ckpt", "two") == (
        None,
        f"starting again: configuration, inputs or code changed since {tmp_path / 'last.ckpt'} was saved",
    )


def test_without_a_state_training_starts_from_the_beginning(tmp_path):
    assert load_state(tmp_path / "last.ckpt", "one") == (None, "starting at the first epoch")


def test_loading_a_state_executes_no_code(tmp_path):
    torch.save({"version": 1, "fingerprint": "one", "state": Anything}, tmp_path / "last.ckpt")
    with pytest.raises(Exception, match="Weights only load failed"):
        load_state(tmp_path / "last.ckpt", "one")


def test_all_random_generators_resume(tmp_path):
    def draw():
        return (
            torch.rand(3).tolist(),
            random.random(),
            random.gauss(0, 1),
            np.random.rand(2).tolist(),
            np.random.randn(),
        )

    np.random.randn()
    save_state(tmp_path / "last.ckpt", "one", {"random": random_state(CPU)})
    expected = draw()
    draw()
    set_random_state(load_state(tmp_path / "last.ckpt", "one")[0]["random"], CPU)
    assert draw() == expected
