import numpy as np
import pytest
import torch
from torch import nn

from puzzlecell.config.network import InputSettings, NetworkSettings
from puzzlecell.network._timm import timm
from puzzlecell.network.cam_network import load_network
from puzzlecell.network.convert import convert_checkpoint
from puzzlecell.network.network_file import NetworkError

CLASSES = [f"class {number}" for number in range(19)]
MEAN = np.array([0.485, 0.456, 0.406, 0.485])
STD = np.array([0.229, 0.224, 0.225, 0.229])
# Names of the first and of one of the last tensors in timm 0.4.5.
NAMES = {
    "seresnext50_32x4d": ("conv1.weight", "layer4.2.se.fc2.bias"),
    "seresnext101_32x4d": ("conv1.weight", "layer4.2.se.fc2.bias"),
    "cspresnext50": ("stem.conv1.conv.weight", "stages.3.conv_transition.bn.running_var"),
    "regnety_064": ("stem.conv.weight", "s4.b1.downsample.bn.running_var"),
}


class Published(nn.Module):
    """The published network, reimplemented from its description: backbone and classifier of the siamese module."""

    def __init__(self, backbone):
        super().__init__()
        self.mfeatures = timm.create_model(backbone, num_classes=0, global_pool="", in_chans=4)
        self.mclassifier = nn.Conv2d(self.mfeatures.num_features, len(CLASSES), 1, bias=False)

    def forward(self, images):
        return self.mclassifier(self.mfeatures(images)).flatten(2).mean(-1)


class Siamese(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.cnn1 = Published(backbone)


def settings(backbone):
    return NetworkSettings(backbone=backbone, pretrained=False), InputSettings()


def published(backbone, seed=0):
    torch.manual_seed(seed)
    siamese = Siamese(backbone).eval()
    for module in siamese.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return siamese


@pytest.mark.parametrize("backbone", NAMES)
def test_a_published_checkpoint_gives_the_same_logits(backbone, tmp_path):
    siamese = published(backbone)
    state = siamese.state_dict()
    for name in NAMES[backbone]:
        assert f"cnn1.mfeatures.{name}" in state
    torch.save(state, tmp_path / "published.pt")
    convert_checkpoint(tmp_path / "published.pt", tmp_path / "ours.safetensors", *settings(backbone), CLASSES)
    network = load_network(tmp_path / "ours.safetensors")
    field = np.random.default_rng(0).integers(0, 256, (64, 64, 4), dtype=np.uint8)
    normalised = ((field / 255.0 - MEAN) / STD).transpose(2, 0, 1).astype(np.float32)
    with torch.no_grad():
        expected = siamese.cnn1(torch.from_numpy(normalised)[None])
        found = network(torch.from_numpy(field).permute(2, 0, 1)[None])[0]
    # Float32, normalised in a different order.
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert (network.field_size, network.crop_size, network.classes) == (512, 384, CLASSES)


@pytest.mark.parametrize(
    "wrap", [lambda s: {"state_dict": s}, lambda s: {f"module.{k}": v for k, v in s.items()}]
)
def test_wrapped_state_dicts_are_unwrapped(wrap, tmp_path):
    state = published("test_resnet").state_dict()
    torch.save(wrap(state), tmp_path / "published.pt")
    network = convert_checkpoint(
        tmp_path / "published.pt", tmp_path / "ours", *settings("test_resnet"), CLASSES
    )
    assert torch.equal(network.classifier.weight, state["cnn1.mclassifier.weight"])


def test_other_names_in_the_same_order_are_matched_by_position(tmp_path, caplog):
    caplog.set_level("INFO")
    state = published("test_resnet").state_dict()
    older = {name.replace("layer", "block"): tensor for name, tensor in state.items()}
    torch.save(older, tmp_path / "published.pt")
    network = convert_checkpoint(
        tmp_path / "published.pt", tmp_path / "ours", *settings("test_resnet"), CLASSES
    )
    assert torch.equal(network.backbone.layer2[0].conv1.weight, state["cnn1.mfeatures.layer2.0.conv1.weight"])
    assert "matched by position" in caplog.text


CLASSIFIER = "cnn1.mclassifier.weight"


class Anything:
    pass


@pytest.mark.parametrize(
    ("content", "backbone", "message"),
    [
        (lambda state: state, "test_efficientnet", "a classifier of 19 classes from 96 features"),
        (
            lambda state: {**state, "cnn1.mfeatures.conv1.0.weight": torch.zeros(1)},
            "test_resnet",
            r"shape \(1,\)",
        ),
        (lambda state: dict(list(state.items())[3:]), "test_resnet", "is it another backbone"),
        (lambda state: {"conv1.weight": torch.zeros(1)}, "test_resnet", "found conv1.weight"),
        (lambda state: [1, 2], "test_resnet", "not a state dict of tensors"),
        (lambda state: {1: torch.zeros(1), **state}, "test_resnet", "the key 1 is not the name of a tensor"),
        (
            lambda state: {**state, CLASSIFIER: torch.tensor(1.0)},
            "test_resnet",
            r"has the shape \(\)",
        ),
        (lambda state: {**state, CLASSIFIER: torch.ones(19, 2)}, "test_resnet", r"the shape \(19, 2\)"),
        (lambda state: {**state, CLASSIFIER: state[CLASSIFIER].int()}, "test_resnet", "type torch.int32"),
        (
            lambda state: (
                {name: tensor.int() for name, tensor in state.items()} | {CLASSIFIER: state[CLASSIFIER]}
            ),
            "test_resnet",
            "conv1.0.weight has the type torch.int32, expected torch.float32",
        ),
        (
            lambda state: {**state, CLASSIFIER: state[CLASSIFIER] * float("nan")},
            "test_resnet",
            "mclassifier.weight has values that are not finite",
        ),
        (lambda state: Anything(), "test_resnet", "contains more than tensors"),
    ],
)
def test_invalid_checkpoints_are_explained(content, backbone, message, tmp_path):
    torch.save(content(published("test_resnet").state_dict()), tmp_path / "published.pt")
    with pytest.raises(NetworkError, match=message):
        convert_checkpoint(tmp_path / "published.pt", tmp_path / "ours", *settings(backbone), CLASSES)
    assert not (tmp_path / "ours").exists()


def test_a_missing_checkpoint_is_reported(tmp_path):
    with pytest.raises(NetworkError, match="absent: there is no such checkpoint"):
        convert_checkpoint(tmp_path / "absent", tmp_path / "ours", *settings("test_resnet"), CLASSES)
