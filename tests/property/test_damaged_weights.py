"""Damaged foreign weights give finite tensors, or a message of ours; nothing else is raised."""

import pytest
import torch
from helpers.damage import damaged
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from puzzlecell.errors import UserError
from puzzlecell.network.foreign_weights import read_safetensors, read_state_dict
from puzzlecell.segmentation.hpa_pickle import read_published

TENSORS = {"conv1.weight": torch.arange(24.0).reshape(2, 3, 2, 2), "bn1.running_mean": torch.ones(3)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Reader -> paths and contents of good files."""
    folder = tmp_path_factory.mktemp("weights")
    torch.save(TENSORS, folder / "a.pth")
    torch.save(TENSORS, folder / "b.pth", _use_new_zipfile_serialization=False)
    (folder / "c.safetensors").write_bytes(save(TENSORS))
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    return folder, contents


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (read_state_dict, "a.pth"),
        (read_state_dict, "b.pth"),
        (read_published, "a.pth"),
        (read_published, "b.pth"),
        (read_safetensors, "c.safetensors"),
    ],
)
@given(data=st.data())
def test_damaged_weights_give_finite_tensors_or_a_message(files, read, name, data):
    folder, contents = files
    path = folder / f"damaged {name}"
    path.write_bytes(data.draw(damaged(contents[name])))
    try:
        found = read(path)
    except UserError as error:
        assert name in str(error)
    else:
        assert all(isinstance(key, str) for key in found)
        if name == "a.pth":  # zip files have checksums; the older format and plain safetensors have none
            assert all(torch.equal(found[key], tensor) for key, tensor in TENSORS.items())
        assert all(bool(torch.isfinite(tensor.float()).all()) for tensor in found.values())
