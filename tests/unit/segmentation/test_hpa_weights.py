"""The network of the HPA segmenter, and reading its published weights without executing pickled code."""

import hashlib
import os
import pickle
import subprocess
import sys
from collections import OrderedDict

import pytest
import torch
from helpers import foreign_files as files
from helpers.published_network import START, published_network, small_network
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from puzzlecell.config.labelling import LabellingSettings
from puzzlecell.config.segmenters import HpaDpnSettings
from puzzlecell.segmentation.hpa_dpn import HpaDpnSegmenter, load_hpa_network
from puzzlecell.segmentation.hpa_pickle import WeightsError, read_published
from puzzlecell.segmentation.hpa_unet import MEAN, STD, HpaUnet, published_names
from puzzlecell.segmentation.hpa_weights import convert_segmenter
from puzzlecell.segmentation.requirements import checksum_file


@pytest.fixture
def published(monkeypatch):
    return published_network(monkeypatch)


def test_the_network_is_as_large_as_the_published_one():
    with torch.device("meta"):
        network = HpaUnet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 139_108_867
    names = published_names(network)
    assert len(set(names.values())) == 595
    shapes = {names[name]: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes["encoder_stages.0.0.weight"] == (64, 3, 7, 7)
    assert shapes["encoder_stages.1.1.c1x1_w_s1.conv.weight"] == (288, 64, 1, 1)
    assert shapes["encoder_stages.3.19.c1x1_c.bn.weight"] == (384,)
    assert shapes["encoder_stages.4.3.bn.running_var"] == (2688,)
    assert shapes["decoder_stages.3.layer.1.weight"] == (1552, 2688, 3, 3)
    assert shapes["decoder_stages.0.layer.1.bias"] == (64,)
    assert shapes["bottlenecks.0.seq.0.weight"] == (1552, 3104, 3, 3)
    assert shapes["bottlenecks.3.seq.0.weight"] == (64, 128, 3, 3)
    assert shapes["last_upsample.layer.1.weight"] == (64, 64, 3, 3)
    assert shapes["final.0.weight"] == (3, 64, 3, 3)


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("parallel", [True, False])
def test_converted_weights_give_the_published_softmax(published, tmp_path, monkeypatch, zipped, parallel):
    pickled = nn.DataParallel(published) if parallel else published
    torch.save(pickled, tmp_path / "published.pth", _use_new_zipfile_serialization=zipped)
    for place in ("pytorch_zoo", "pytorch_zoo.unet", "pytorch_zoo.abstract_model", "pytorch_zoo.dpn"):
        monkeypatch.delitem(sys.modules, place)
    with pytest.raises(ImportError, match="pytorch_zoo"):
        torch.load(tmp_path / "published.pth", weights_only=False)
    network = small_network()
    checksum = convert_segmenter(tmp_path / "published.pth", tmp_path / "ours.safetensors", network)
    from safetensors.torch import load_file

    network.load_state_dict(load_file(tmp_path / "ours.safetensors"))
    images = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        ours = torch.softmax(network(images), 1)
        theirs = torch.softmax(published((images - torch.tensor(MEAN).view(1, 3, 1, 1)) / STD), 1)
    assert theirs.std() > 0.01
    assert (ours - theirs).abs().max() < 1e-5  # the published softmax is in float32
    content = (tmp_path / "ours.safetensors").read_bytes()
    assert checksum == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "ours.safetensors.sha256").read_text() == f"{checksum}  ours.safetensors\n"


def test_std_equals_the_published_description():
    assert round(STD, 5) == 0.23482


class Bomb:
    def __init__(self, call, argument):
        self.call, self.argument = call, argument

    def __reduce__(self):
        return self.call, (self.argument,)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(("call", "name"), [(os.mkdir, "posix.mkdir"), (eval, "eval")])
def test_a_pickle_that_would_execute_code_is_refused(tmp_path, zipped, call, name):
    made = tmp_path / "made"
    argument = str(made) if call is os.mkdir else f"__import__('os').mkdir({str(made)!r})"
    torch.save({"weight": Bomb(call, argument)}, tmp_path / "bad.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=f"refused.*{name}"):
        read_published(tmp_path / "bad.pth")
    assert not made.exists()


def test_a_plain_pickle_is_refused(tmp_path):
    (tmp_path / "bad.pth").write_bytes(pickle.dumps(Bomb(os.mkdir, str(tmp_path / "made"))))
    with pytest.raises(WeightsError, match=r"posix\.mkdir"):
        read_published(tmp_path / "bad.pth")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_state_dicts_of_all_tensor_types_are_read(tmp_path, zipped):
    shared = torch.arange(12.0)
    state = OrderedDict(
        part=shared.reshape(3, 4)[1:, ::2],
        counted=torch.tensor(7),
        empty=torch.zeros(0),
        half=torch.ones(3).half(),
    )
    torch.save(state, tmp_path / "state.pth", _use_new_zipfile_serialization=zipped)
    read = read_published(tmp_path / "state.pth")
    assert {name: tensor.tolist() for name, tensor in read.items()} == {
        "part": [[4.0, 6.0], [8.0, 10.0]],
        "counted": 7,
        "empty": [],
        "half": [1.0, 1.0, 1.0],
    }
    assert read["half"].dtype == torch.float16


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_refused(published, tmp_path, zipped):
    torch.save(published, tmp_path / "whole.pth", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=r"cut\.pth.*download it again"):
        read_published(tmp_path / "cut.pth")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(WeightsError, match="torch.save"):
        read_published(tmp_path / "text.pth")
    with pytest.raises(WeightsError, match="there is no such file of weights"):
        read_published(tmp_path / "absent.pth")


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (files.folder, "is a folder, not a file of weights"),
        (files.fifo, "is a named pipe"),
        (files.empty, "the file is empty"),
        (files.cut, "not a file written by torch.save.*download it again"),
        (files.zip_of_text, "a zip file without data.pkl"),
        (files.compressed, "not a file written by torch.save"),
        (files.plain_pickle, "not a file written by torch.save"),
        (files.safetensors, "this is a safetensors file"),
        (files.saved([1, 2]), "holds list, expected a module or a state dict"),
        (files.saved({1: torch.ones(1)}), "the key 1 is not the name of a tensor"),
        (files.saved({1: torch.ones(1), "a": torch.ones(1)}), "the key 1 is not the name of a tensor"),
        (files.saved({"a": {"b": torch.ones(1)}}), "not a state dict: 'a' is dict, not a tensor"),
        (files.saved({"a": files.NOT_FINITE}), "a has values that are not finite"),
        (files.saved({"a": files.HUGE}), "not a file written by torch.save"),
        (
            files.saved({"a": torch.ones(2, dtype=torch.complex64)}),
            "refused, the file asks for torch.Complex",
        ),
    ],
)
def test_files_of_other_kinds_are_explained(tmp_path, write, expected):
    write(tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=expected) as caught:
        convert_segmenter(tmp_path / "w.pth", tmp_path / "out.safetensors", small_network())
    assert str(caught.value).startswith(f"{tmp_path / 'w.pth'}: ")
    assert not (tmp_path / "out.safetensors").exists()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    place=st.integers(0, 10**6), value=st.integers(0, 255), length=st.integers(0, 2000), zipped=st.booleans()
)
def test_changed_and_truncated_files_are_read_or_refused(tmp_path_factory, place, value, length, zipped):
    path = tmp_path_factory.getbasetemp() / "changed.pth"
    torch.save({"a": torch.arange(20.0)}, path, _use_new_zipfile_serialization=zipped)
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(content[: len(content) - length % len(content)] if length % 3 == 0 else content)
    try:
        assert all(torch.isfinite(tensor).all() for tensor in read_published(path).values())
    except WeightsError as error:
        assert str(error).startswith(f"{path}: ")


def test_mismatched_tensors_are_named(published, tmp_path):
    published.final = nn.Sequential(nn.Conv2d(START, 2, 3, padding=1))
    published.extra = nn.Linear(1, 1)
    del published.last_upsample
    torch.save(published, tmp_path / "other.pth")
    with pytest.raises(WeightsError) as error:
        convert_segmenter(tmp_path / "other.pth", tmp_path / "out.safetensors", small_network())
    message = str(error.value)
    assert "595 tensors" in message
    assert "2 missing (last_upsample.layer.1.bias, last_upsample.layer.1.weight)" in message
    assert "2 unknown (extra.bias, extra.weight)" in message
    assert "final.0.weight has the shape (2, 8, 3, 3), expected (3, 8, 3, 3)" in message
    assert not (tmp_path / "out.safetensors").exists()


def test_missing_weights_are_explained(tmp_path):
    settings = HpaDpnSettings(
        cell_weights=str(tmp_path / "cell.safetensors"), nuclei_weights=str(tmp_path / "n.st")
    )
    with pytest.raises(WeightsError) as error:
        HpaDpnSegmenter(settings, LabellingSettings())
    message = str(error.value)
    for part in (
        "zenodo.org/record/4665863",
        "dpn_unet_nuclei_v1.pth",
        "puzzlecell convert-segmenter",
        "n.st",
    ):
        assert part in message


def test_damaged_converted_weights_are_detected(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"some weights")
    with pytest.raises(WeightsError, match="sha256 is missing"):
        load_hpa_network(tmp_path / "w.safetensors", "cell")
    (tmp_path / "w.safetensors.sha256").write_text(f"{'0' * 64}  w.safetensors\n")
    with pytest.raises(WeightsError, match="differs from its checksum"):
        load_hpa_network(tmp_path / "w.safetensors", "cell")
    (tmp_path / "w.safetensors.sha256").write_bytes(b"")
    with pytest.raises(WeightsError, match="differs from its checksum"):
        load_hpa_network(tmp_path / "w.safetensors", "cell")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (lambda path: path.write_bytes(b"some weights"), "not a safetensors file"),
        (files.safetensors, "not written by `puzzlecell convert-segmenter` for this network"),
    ],
)
def test_other_weights_with_a_valid_checksum_are_refused(tmp_path, content, expected):
    path = tmp_path / "w.safetensors"
    content(path)
    checksum_file(path).write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    with pytest.raises(WeightsError, match=expected):
        load_hpa_network(path, "cell")


MEMORY = """
import resource, sys
from puzzlecell.errors import UserError
from puzzlecell.network.foreign_weights import read_state_dict
from puzzlecell.segmentation.hpa_pickle import read_published

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for read in (read_published, read_state_dict):
    try:
        read(sys.argv[1])
    except UserError:
        pass
    else:
        raise AssertionError("no error")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    "claim",
    [
        pickle.LONG_BINPUT + (2**28).to_bytes(4, "little"),
        pickle.BYTEARRAY8 + (2**32).to_bytes(8, "little"),
        pickle.BINBYTES8 + (2**32).to_bytes(8, "little"),
        pickle.FRAME + (2**32).to_bytes(8, "little"),
        pickle.BINUNICODE + (2**32 - 1).to_bytes(4, "little"),
    ],
)
def test_a_length_claimed_by_a_damaged_file_takes_no_memory(tmp_path, claim):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"\x80\x02N" + claim + b".")
    done = subprocess.run([sys.executable, "-c", MEMORY, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 500, "megabytes"
