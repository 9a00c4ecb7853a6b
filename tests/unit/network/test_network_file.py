import json

import pytest
import torch
from safetensors.torch import save_file

from puzzlecell.config.network import NetworkSettings
from puzzlecell.errors import DamagedFileError
from puzzlecell.network.cam_network import CamNetwork, load_network, save_network
from puzzlecell.network.network_file import (
    NetworkError,
    network_digest,
    read_network_file,
    ready_weights_problems,
)

CLASSES = ["Nucleoplasm", "Nuclear membrane", "Nucleoli"]


def network(path, classes=CLASSES, field_size=64, backbone="test_resnet"):
    save_network(
        path, CamNetwork(NetworkSettings(backbone=backbone, pretrained=False), classes, field_size, 64)
    )
    return path


@pytest.fixture
def fold1(tmp_path):
    return network(tmp_path / "fold1.safetensors")


def test_weights_that_fit_have_no_problems(fold1, tmp_path):
    assert ready_weights_problems([fold1, network(tmp_path / "fold2.safetensors")], CLASSES, 64) == []


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (
            {"classes": ["Nuclear membrane", "Nucleoplasm", "Nucleoli"]},
            "its class 0 is 'Nuclear membrane', but 'Nucleoplasm' in the class table",
        ),
        ({"classes": [*CLASSES, "Golgi"]}, "has 4 classes, but the class table 3"),
        ({"classes": CLASSES[:2]}, "has 2 classes, but the class table 3"),
        ({"field_size": 96}, "its fields have 96 pixels a side, more than the 64 of ingest.size"),
        ({"backbone": "test_vit2"}, "the folds of a stage must have the same network"),
    ],
)
def test_weights_that_do_not_fit_are_named_with_the_reason(fold1, tmp_path, other, expected):
    if "backbone" in other:
        metadata = {"network": {"backbone": "other"}, "classes": CLASSES, "field_size": 64, "crop_size": 64}
        path = resealed(tmp_path / "fold2.safetensors", metadata)
    else:
        path = network(tmp_path / "fold2.safetensors", **other)
    problems = ready_weights_problems([fold1, path], CLASSES, 64)
    assert expected in problems[0]
    assert problems[0].startswith(f"{path}: ")


def resealed(path, metadata):
    """A file with these metadata and a correct checksum."""
    from safetensors.torch import save

    from puzzlecell.runtime.checksums import EMPTY_MARK, sealed

    text = json.dumps({**metadata, "checksum": EMPTY_MARK})
    path.write_bytes(sealed(save({"a": torch.zeros(2)}, {"puzzlecell": text})))
    return path


FOREIGN = {
    "missing": (lambda path: None, NetworkError, "there is no such network file"),
    "folder": (lambda path: path.mkdir(), NetworkError, "is a folder, not a network file"),
    "empty": (lambda path: path.write_bytes(b""), NetworkError, "not a safetensors file, or cut off"),
    "text": (lambda path: path.write_text("hello"), NetworkError, "not a safetensors file, or cut off"),
    "tensors only": (
        lambda path: save_file({"a": torch.zeros(2)}, path), NetworkError, "contains only tensors"
    ),
    "other metadata": (
        lambda path: save_file({"a": torch.zeros(2)}, path, {"puzzlecell": "[1]"}),
        NetworkError,
        "contains only tensors",
    ),
    "no checksum": (
        lambda path: save_file({"a": torch.zeros(2)}, path, {"puzzlecell": '{"classes": []}'}),
        DamagedFileError,
        "it has no checksum",
    ),
    "no settings": (
        lambda path: resealed(path, {"classes": CLASSES}),
        NetworkError,
        "its metadata lack network, field_size, crop_size",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_refused_by_name(tmp_path, kind):
    write, error, message = FOREIGN[kind]
    path = tmp_path / "weights.safetensors"
    write(path)
    with pytest.raises(error, match=message) as raised:
        read_network_file(path)
    assert str(path) in str(raised.value)
    assert ready_weights_problems([path], CLASSES, 64) == [str(raised.value)]


@pytest.mark.parametrize(
    "settings", [{"backbone": "no_such_net"}, {"unknown": 1}, {"backbone": "test_resnet"}]
)
def test_a_network_that_cannot_be_built_is_refused_by_name(tmp_path, settings):
    metadata = {"network": settings, "classes": CLASSES, "field_size": 64, "crop_size": 64}
    path = resealed(tmp_path / "weights.safetensors", metadata)
    with pytest.raises(NetworkError, match="weights.safetensors"):
        load_network(path)


def test_the_digest_of_a_network_is_that_of_its_weights(fold1, tmp_path):
    loaded = load_network(fold1)
    save_network(tmp_path / "copy.safetensors", loaded, {"epoch": 3})
    assert network_digest(tmp_path / "copy.safetensors") == network_digest(fold1)
    with torch.no_grad():
        loaded.classifier.weight[0, 0] += 1e-6
    save_network(tmp_path / "changed.safetensors", loaded)
    assert network_digest(tmp_path / "changed.safetensors") != network_digest(fold1)
    (tmp_path / "copy.safetensors").write_bytes(fold1.read_bytes()[:-1])
    with pytest.raises(DamagedFileError):
        network_digest(tmp_path / "copy.safetensors")
