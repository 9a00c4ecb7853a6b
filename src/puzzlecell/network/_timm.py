"""Import of timm that also works if torchvision does not match the installed PyTorch.

timm imports torchvision. The torchvision wheel on PyPI for x86 Linux is a CUDA build; next to a CPU-only PyTorch its
compiled operators cannot be loaded, and importing it fails with "operator torchvision::nms does not exist", because it
registers implementations for two operators that were never defined. Defining their schemas first is enough, since none
of torchvision's operators is used here. If torchvision can be imported as it is, nothing is defined.

All modules that need timm import it from here: `from puzzlecell.network._timm import timm`.
"""

import importlib
import sys

import torch

_NMS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_torchvision() -> None:
    """Import torchvision; if its compiled library does not load, define the schemas of its two missing operators first.

    Any other import error is raised unchanged.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        for operator in ("nms", "qnms"):
            torch.library.define(f"torchvision::{operator}", _NMS)
        importlib.import_module("torchvision")


import_torchvision()

import timm  # noqa: E402  (needs torchvision, which is made importable above)
from timm.models import register_model  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402
from timm.optim import param_groups_layer_decay  # noqa: E402
from timm.utils import ModelEmaV3  # noqa: E402

__all__ = [
    "ModelEmaV3",
    "VisionTransformer",
    "import_torchvision",
    "param_groups_layer_decay",
    "register_model",
    "timm",
]
