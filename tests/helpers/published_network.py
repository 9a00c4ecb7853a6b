"""A small network structured and pickled like the published HPA segmenters, and our network of the same size."""

import sys
import types
from itertools import pairwise

import torch
from torch import nn
from torch.nn.backends import thnn

from puzzlecell.network._timm import timm
from puzzlecell.segmentation.hpa_unet import HpaUnet

BLOCKS, INCREASE, WIDTH, GROUPS, START = (3, 4, 20, 3), (2, 3, 2, 4), 8, 4, 8


# The published network, reimplemented from its description at a fraction of its width, with its names, without timm.


class BnReluConv(nn.Module):
    def __init__(self, inputs, outputs, kernel=1, stride=1, groups=1):
        super().__init__()
        self.bn = nn.BatchNorm2d(inputs, eps=1e-3)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)

    def forward(self, x):
        return self.conv(torch.relu(self.bn(x)))


class DualPath(nn.Module):
    def __init__(self, inputs, middle, residual, increase, *, head, stride):
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
                blocks.append(DualPath(channels, middle, residual, increase, head=head, stride=stride))
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


class Backend:
    """Object that early PyTorch 1 versions put into each module; pickled as a call to one of their functions."""

    def __reduce__(self):
        return thnn._get_thnn_function_backend, ()


def published_network(monkeypatch):
    """The plain network with random weights; its classes have the module names used in the published pickles."""
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
        module._backend = Backend()
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def small_network():
    encoder = timm.models.dpn.DPN(
        k_sec=BLOCKS,
        inc_sec=INCREASE,
        k_r=WIDTH,
        groups=GROUPS,
        num_init_features=START,
        small=True,
        num_classes=0,
    )
    return HpaUnet(encoder).eval()
