"""timm, imported in a way that also works where torchvision does not fit the installed PyTorch.

timm imports torchvision. The torchvision wheel on PyPI for x86 Linux is a CUDA build; beside a CPU-only
PyTorch its compiled operators cannot be loaded, and its import then stops at "operator torchvision::nms does
not exist", because it describes two operators that were never defined. Defining their schemas first is
enough: none of torchvision's operators is used here. Where torchvision imports by itself nothing is defined.

Every module that needs timm takes it from here: `from puzzlecell.network._timm import timm`.
"""

import importlib
import sys

import torch

_NMS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_torchvision() -> None:
    """Import torchvision, with the schemas of its two missing operators where its own library does not load.

    Raises the import's own error for any other failure.
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

import timm  # noqa: E402  (needs torchvision, made importable above)
from timm.utils import ModelEmaV3  # noqa: E402

__all__ = ["ModelEmaV3", "import_torchvision", "timm"]
