import hashlib
import os
import pickle
import sys
import types
from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest
import torch
from skimage.transform import rescale
from torch import nn

from puzzlecell.config.segmentation import HpaDpnSettings, LabellingSettings, PublishedFaults
from puzzlecell.segmentation.base import FieldImage
from puzzlecell.segmentation.hpa_dpn import HpaDpnSegmenter, load_hpa_network, shrink
from puzzlecell.segmentation.hpa_network import MEAN, STD, HpaUnet, published_names
from puzzlecell.segmentation.published_weights import WeightsError, convert_segmenter, read_published

BLOCKS, INCREASE, WIDTH, GROUPS, START = (3, 4, 20, 3), (2, 3, 2, 4), 8, 4, 8


# The published network from its description, at a fraction of its width: its own names, nothing of timm.


class BnReluConv(nn.Module):
    def __init__(self, inputs, outputs, kernel=1, stride=1, groups=1):
        super().__init__()
        self.bn = nn.BatchNorm2d(inputs, eps=1e-3)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)

    def forward(self, x):
        return self.conv(torch.relu(self.bn(x)))


class DualPath(nn.Module):
    def __init__(self, inputs, middle, residual, increase, head, stride):
        super().__init__()
        self.residual, self.head = residual, head
        if head:
            self.add_module(head, BnReluConv(inputs, residual + 2 * increase, 1, stride))
        self.c1x1_a = BnReluConv(inputs, middle)
        self.c3x3_b = BnReluConv(middle, middle, 3, stride, GROUPS)
        self.c1x1_c = BnReluConv(middle, residual + increase)

    def forward(self, x):
        shortcut = getattr(self, self.head)(x) if self.head else x
        out = self.c1x1_c(self.c3x3_b(self.c1x1_a(x)))
        r = self.residual
        return torch.cat([shortcut[:, :r] + out[:, :r], shortcut[:, r:], out[:, r:]], 1)


class BnRelu(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, eps=1e-3)

    def forward(self, x):
        return torch.relu(self.bn(x))


class Decoder(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()
        )

    def forward(self, x):
        return self.layer(x)


class Bottleneck(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.seq = nn.Sequential(nn.Conv2d(2 * channels, channels, 3, padding=1), nn.ReLU())

    def forward(self, decoded, skip):
        return self.seq(torch.cat([decoded, skip], 1))


class DPNUnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.kind = Decoder  # the published module keeps a class among its attributes
        stem = nn.Sequential(
            nn.Conv2d(3, START, 3, 2, 1, bias=False), nn.BatchNorm2d(START, eps=1e-3), nn.ReLU()
        )
        stages, widths, channels = [stem], [START], START
        for number, (count, increase) in enumerate(zip(BLOCKS, INCREASE, strict=True)):
            residual = 64 * 2**number
            middle = WIDTH * residual // 64
            blocks = [] if number else [nn.MaxPool2d(3, 2, 1)]
            for index in range(count):
                head = "" if index else ("c1x1_w_s2" if number else "c1x1_w_s1")
                stride = 2 if number and not index else 1
                blocks.append(DualPath(channels, middle, residual, increase, head, stride))
                channels = residual + (index + 3) * increase
            if number == 3:
                blocks.append(BnRelu(channels))
            stages.append(nn.Sequential(*blocks))
            widths.append(channels)
        self.encoder_stages = nn.ModuleList(stages)
        self.bottlenecks = nn.ModuleList(Bottleneck(width) for width in reversed(widths[:-1]))
        self.decoder_stages = nn.ModuleList(Decoder(deep, shallow) for shallow, deep in pairwise(widths))
        self.last_upsample = Decoder(START, START)
        self.final = nn.Sequential(nn.Conv2d(START, 3, 3, padding=1))

    def forward(self, x):
        skips = []
        for stage in self.encoder_stages:
            x = stage(x)
            skips.append(x)
        for depth in range(4):
            x = self.bottlenecks[depth](self.decoder_stages[3 - depth](x), skips[3 - depth])
        return self.final(self.last_upsample(x))


@pytest.fixture
def published(monkeypatch):
    """The plain network with random weights, its classes where the published pickles look for them."""
    places = {
        "pytorch_zoo": (),
        "pytorch_zoo.unet": (DPNUnet,),
        "pytorch_zoo.abstract_model": (Decoder, Bottleneck),
        "pytorch_zoo.dpn": (BnReluConv, DualPath, BnRelu),
    }
    for place, classes in places.items():
        module = types.ModuleType(place)
        for kind in classes:
            setattr(module, kind.__name__, kind)
            monkeypatch.setattr(kind, "__module__", place)
        monkeypatch.setitem(sys.modules, place, module)
    torch.manual_seed(5)
    network = DPNUnet()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def small_network():
    from timm.models.dpn import DPN

    encoder = DPN(
        k_sec=BLOCKS,
        inc_sec=INCREASE,
        k_r=WIDTH,
        groups=GROUPS,
        num_init_features=START,
        small=True,
        num_classes=0,
    )
    return HpaUnet(encoder).eval()


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
def test_converted_weights_give_the_published_softmax(published, tmp_path, zipped, parallel):
    pickled = nn.DataParallel(published) if parallel else published
    torch.save(pickled, tmp_path / "published.pth", _use_new_zipfile_serialization=zipped)
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


def test_std_is_that_of_the_description():
    assert round(STD, 5) == 0.23482


class Bomb:
    def __init__(self, call, argument):
        self.call, self.argument = call, argument

    def __reduce__(self):
        return self.call, (self.argument,)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(("call", "name"), [(os.mkdir, "posix.mkdir"), (eval, "eval")])
def test_a_pickle_that_would_run_code_is_refused(tmp_path, zipped, call, name):
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
def test_state_dicts_of_all_kinds_of_tensors_are_read(tmp_path, zipped):
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
def test_a_file_that_is_cut_off_is_refused(published, tmp_path, zipped):
    torch.save(published, tmp_path / "whole.pth", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=r"cut\.pth.*download it again"):
        read_published(tmp_path / "cut.pth")


def test_files_of_another_kind_are_refused(tmp_path):
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(WeightsError, match="torch.save"):
        read_published(tmp_path / "text.pth")
    with pytest.raises(WeightsError, match="there is no file"):
        read_published(tmp_path / "absent.pth")


def test_tensors_that_do_not_fit_are_named(published, tmp_path):
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


def test_missing_weights_say_where_to_get_them(tmp_path):
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


def test_a_damaged_copy_of_converted_weights_is_noticed(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"some weights")
    with pytest.raises(WeightsError, match="sha256 is missing"):
        load_hpa_network(tmp_path / "w.safetensors", "cell")
    (tmp_path / "w.safetensors.sha256").write_text(f"{'0' * 64}  w.safetensors\n")
    with pytest.raises(WeightsError, match="differs from its checksum"):
        load_hpa_network(tmp_path / "w.safetensors", "cell")


class Seen(nn.Module):
    """A network that finds objects where its last input channel is bright, and remembers what it was given."""

    def __init__(self):
        super().__init__()
        self.shapes, self.autocast = [], []
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images):
        self.shapes.append(tuple(images.shape))
        self.autocast.append(torch.is_autocast_enabled("cpu"))
        bright = 40 * (images.mean(1) - 0.3)
        return torch.stack([-bright, torch.full_like(bright, -30), bright], 1)


def discs(height, width, dtype=np.uint8):
    """A field of four cells, 20 micrometres wide at 0.08 micrometres a pixel, with nuclei of 12."""
    rows, columns = np.mgrid[:height, :width]
    field = np.zeros((height, width, 4), dtype)
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            distance = np.hypot(rows - y, columns - x)
            field[distance < 125, 0] = field[distance < 125, 3] = 200 if dtype == np.uint8 else 200 * 257
            field[distance < 75, 2] = 250 if dtype == np.uint8 else 250 * 257
    return field


def segmenter(**settings):
    networks = Seen(), Seen()
    threads = settings.pop("threads", 1)
    labelling = settings.pop("labelling", LabellingSettings())
    return HpaDpnSegmenter(HpaDpnSettings(**settings), labelling, threads, networks=networks), networks


@pytest.mark.parametrize("size", [(1728, 1728), (3072, 1024), (700, 1000)])
def test_any_size_is_padded_and_labelled_in_place(size):
    made, (nuclei, cells) = segmenter()
    (found,) = made.segment([FieldImage("a", discs(*size), 0.08)])
    small = [round(side / 4) for side in size]
    padded = tuple(side + 64 - side % 32 for side in small)
    assert nuclei.shapes == cells.shapes == [(1, 3, *padded)]
    assert found.cells.shape == size
    assert found.cells.dtype == found.nuclei.dtype == np.uint16
    assert set(np.unique(found.cells)) == set(np.unique(found.nuclei)) == {0, 1, 2, 3, 4}
    inside = found.nuclei > 0
    assert (found.cells[inside] == found.nuclei[inside]).all()
    rows, columns = np.nonzero(found.nuclei == found.nuclei[size[0] // 4, size[1] // 4])
    assert abs(rows.mean() - size[0] // 4) < 2
    assert abs(columns.mean() - size[1] // 4) < 2
    assert abs((found.nuclei > 0).sum() / (4 * np.pi * 75**2) - 1) < 0.1


def test_8_and_16_bit_give_the_same_labels():
    made, _ = segmenter()
    eight, sixteen = made.segment(
        [FieldImage("a", discs(600, 600), 0.08), FieldImage("b", discs(600, 600, np.uint16), 0.08)]
    )
    assert np.array_equal(eight.cells, sixteen.cells)
    assert np.array_equal(eight.nuclei, sixteen.nuclei)


def test_fields_of_one_size_go_through_together():
    made, (nuclei, _) = segmenter(batch=2)
    fields = [FieldImage(str(n), discs(600, 600), 0.08) for n in range(3)] + [
        FieldImage("w", discs(600, 800), 0.08)
    ]
    found = made.segment(fields)
    assert [shape[0] for shape in nuclei.shapes] == [2, 1, 1]
    assert [entry.cells.shape for entry in found] == [(600, 600)] * 3 + [(600, 800)]


def test_threads_do_not_change_the_labels():
    fields = [FieldImage(str(n), np.roll(discs(600, 600), 20 * n, 1), 0.08) for n in range(3)]
    one, three = segmenter(threads=1)[0].segment(fields), segmenter(threads=3)[0].segment(fields)
    assert all(np.array_equal(a.cells, b.cells) for a, b in zip(one, three, strict=True))


def test_channels_reach_their_networks():
    field = np.zeros((256, 256, 4), np.uint8)
    field[..., 0], field[..., 1], field[..., 2], field[..., 3] = 51, 255, 102, 204
    seen = []

    class Keep(Seen):
        def forward(self, images):
            seen.append(images[0, :, 50, 50].tolist())
            return super().forward(images)

    HpaDpnSegmenter(HpaDpnSettings(), LabellingSettings(), networks=(Keep(), Keep())).segment(
        [FieldImage("a", field, 0.32)]
    )
    assert np.allclose(seen, [[0.4, 0.4, 0.4], [0.2, 0.8, 0.4]])


def test_settings_act():
    field = FieldImage("a", discs(600, 600), 0.08)
    at_field = segmenter(label_at="field")[0].segment([field])[0]
    at_network = segmenter(label_at="network")[0].segment([field])[0]
    assert at_network.cells.shape == (600, 600)
    assert not np.array_equal(at_field.cells, at_network.cells)
    overlap = ((at_field.cells > 0) & (at_network.cells > 0)).sum() / (
        (at_field.cells + at_network.cells) > 0
    ).sum()
    assert overlap > 0.85  # a line at the networks' size is four times as wide
    made, (nuclei, _) = segmenter(pixel_um=0.16)
    made.segment([field])
    assert nuclei.shapes == [(1, 3, 352, 352)]
    for wanted in (True, False):
        made, (nuclei, _) = segmenter(mixed_precision=wanted)
        made.segment([field])
        assert nuclei.autocast == [wanted]
    made, (nuclei, _) = segmenter()
    made.segment([field])
    assert nuclei.autocast == [False]


def test_swapped_sizes_squeeze_a_field_that_is_not_square():
    labelling = LabellingSettings(faults=PublishedFaults(sizes_swapped=True))
    field = FieldImage("a", discs(1000, 600), 0.08)
    right, swapped = (
        segmenter(labelling=entry)[0].segment([field])[0] for entry in (LabellingSettings(), labelling)
    )
    assert swapped.cells.shape == right.cells.shape == (1000, 600)
    assert not np.array_equal(right.cells, swapped.cells)


def test_an_empty_field_says_why():
    made, _ = segmenter()
    (found,) = made.segment([FieldImage("a", np.zeros((300, 300, 4), np.uint8), 0.08)])
    assert not found.cells.any()
    assert "probability of nucleus" in found.reason


@pytest.mark.parametrize("scale", [0.25, 0.4, 0.32 / 0.64])
def test_shrinking_is_that_of_scikit_image(scale):
    image = np.random.default_rng(0).random((90, 121, 3)).astype(np.float32)
    expected = rescale(image, scale, channel_axis=-1, anti_aliasing=True, order=1)
    found = shrink(image, scale)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5  # float32
