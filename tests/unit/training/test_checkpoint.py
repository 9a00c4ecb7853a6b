import random

import numpy as np
import pytest
import torch

from puzzlecell.config.network import NetworkSettings
from puzzlecell.network.cam_network import CamNetwork, save_network
from puzzlecell.training.checkpoint import load_state, random_state, save_state, set_random_state

CPU = torch.device("cpu")


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


class Code:
    """A pickle that would write a file when loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_loading_a_state_executes_no_code(tmp_path):
    save_state(tmp_path / "last.ckpt", "one", {"code": Code(tmp_path / "written")})
    (tmp_path / "written").unlink(missing_ok=True)
    state, explanation = load_state(tmp_path / "last.ckpt", "one")
    assert state is None
    assert "starting again" in explanation
    assert not (tmp_path / "written").exists()


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes(b"" if how == "empty" else content[: len(content) // 2] if how == "cut off" else content)


@pytest.mark.parametrize("how", ["empty", "cut off", "flipped"])
def test_a_damaged_state_is_not_resumed_and_the_reason_is_given(tmp_path, how):
    save_state(tmp_path / "last.ckpt", "one", {"weights": torch.rand(100), "best": None})
    damage(tmp_path / "last.ckpt", how)
    state, explanation = load_state(tmp_path / "last.ckpt", "one")
    assert state is None
    assert f"starting again: {tmp_path / 'last.ckpt'} is damaged" in explanation


@pytest.mark.parametrize("how", ["missing", "cut off", "flipped"])
def test_a_state_whose_best_weights_are_lost_is_not_resumed(tmp_path, how):
    network = CamNetwork(NetworkSettings(backbone="test_resnet", pretrained=False), ["a", "b"], 64, 64)
    best = tmp_path / "best-1.safetensors"
    save_network(best, network)
    save_state(tmp_path / "last.ckpt", "one", {"best": {"file": best.name}})
    assert load_state(tmp_path / "last.ckpt", "one")[0] is not None
    best.unlink() if how == "missing" else damage(best, how)
    state, explanation = load_state(tmp_path / "last.ckpt", "one")
    assert state is None
    assert "starting again: the best weights so far cannot be used" in explanation
    assert "best-1.safetensors" in explanation


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
