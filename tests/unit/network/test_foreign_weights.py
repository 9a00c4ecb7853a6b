"""Weights from elsewhere are tensors with finite values, or refused with a message that names the file."""

import pytest
import torch
from helpers import foreign_files as files
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from puzzlecell.network.backbone import NetworkError
from puzzlecell.network.foreign_weights import read_safetensors, read_state_dict, tensor_problem


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (files.absent, "there is no such checkpoint"),
        (files.folder, "is a folder, not a checkpoint"),
        (files.fifo, "is a named pipe"),
        (files.empty, "the file is empty"),
        (files.text, "not a file written by torch.save"),
        (files.cut, "not a file written by torch.save, or cut off"),
        (files.zip_of_text, "not a file written by torch.save"),
        (files.plain_pickle, "not a file written by torch.save"),
        (files.safetensors, "this is a safetensors file; expected a checkpoint"),
        (
            files.saved({"a": files.Anything()}),
            r"refused: it contains more than tensors \(helpers.*Anything\)",
        ),
        (files.saved([1, 2]), "not a state dict of tensors: it contains list"),
        (files.saved({}), "it contains nothing"),
        (files.saved({1: torch.ones(1)}), "the key 1 is not the name of a tensor"),
        (files.saved({"state_dict": {None: torch.ones(1)}}), "the key None is not the name"),
        (files.saved({"a": {"b": torch.ones(1)}}), "a is not a tensor, but dict"),
        (files.saved({"a": torch.ones(1), "epoch": 3}), "epoch is not a tensor, but int"),
        (files.saved({"a": files.NOT_FINITE}), r"a has values that are not finite \(NaN or infinity\)"),
        (files.saved({"a": torch.tensor(float("inf"))}), "a has values that are not finite"),
        (files.saved({"a": files.HUGE}), r"a claims the shape \(1000000, 1000000\), but has fewer values"),
        (files.saved({"a": torch.ones(2, dtype=torch.complex64)}), "a is not a plain tensor of numbers"),
        (files.saved({"a": torch.ones(2).to_sparse()}), "a is not a plain tensor of numbers"),
        (files.saved({"a": torch.ones(2, device="meta")}), "a is not a plain tensor of numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_other_checkpoints_are_explained(tmp_path, write, expected):
    write(tmp_path / "w.pt")
    with pytest.raises(NetworkError, match=expected) as caught:
        read_state_dict(tmp_path / "w.pt")
    assert str(caught.value).startswith(f"{tmp_path / 'w.pt'}: ")
    assert "weights_only" not in str(caught.value)


def test_a_torchscript_program_is_explained(tmp_path):
    torch.jit.script(torch.nn.Linear(1, 1)).save(tmp_path / "w.pt")
    with pytest.raises(NetworkError, match="this is a TorchScript program"):
        read_state_dict(tmp_path / "w.pt")


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model", None])
@pytest.mark.parametrize("zipped", [True, False])
def test_state_dicts_are_read(tmp_path, wrapper, zipped):
    state = {"a": torch.arange(3.0), "b": torch.nn.Parameter(torch.ones(2).half()), "n": torch.tensor(7)}
    saved = state if wrapper is None else {wrapper: state, "epoch": 3}
    torch.save(saved, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    read = read_state_dict(tmp_path / "w.pt")
    assert {name: tensor.tolist() for name, tensor in read.items()} == {"a": [0, 1, 2], "b": [1, 1], "n": 7}
    assert not read["b"].requires_grad


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (files.absent, "there is no such file of weights"),
        (files.folder, "is a folder"),
        (files.fifo, "is a named pipe"),
        (files.empty, "the file is empty"),
        (files.text, "not a safetensors file, or damaged"),
        (files.saved({"a": torch.ones(1)}), "not a safetensors file, or damaged"),
        (lambda path: save_file({"a": files.NOT_FINITE}, path), "a has values that are not finite"),
    ],
)
def test_other_safetensors_are_explained(tmp_path, write, expected):
    write(tmp_path / "w.safetensors")
    with pytest.raises(NetworkError, match=expected) as caught:
        read_safetensors(tmp_path / "w.safetensors")
    assert str(caught.value).startswith(f"{tmp_path / 'w.safetensors'}: ")


def test_names_need_not_be_text_that_prints():
    assert tensor_problem("a", torch.ones(2)) is None
    assert tensor_problem(("a",), torch.ones(2)) == "the key ('a',) is not the name of a tensor"


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    place=st.integers(0, 10**6),
    value=st.integers(0, 255),
    length=st.integers(0, 2000),
    kind=st.integers(0, 2),
)
def test_changed_and_truncated_files_are_read_or_refused(tmp_path_factory, place, value, length, kind):
    path = tmp_path_factory.getbasetemp() / "changed.pt"
    state = {"a": torch.arange(20.0), "b": torch.ones(2, 2)}
    if kind == 2:
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == 0)
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(content[: len(content) - length % len(content)] if length % 3 == 0 else content)
    try:
        read = (read_safetensors if kind == 2 else read_state_dict)(path)
    except NetworkError as error:
        assert str(error).startswith(f"{path}: ")
        return
    assert all(torch.isfinite(tensor).all() for tensor in read.values())
