"""The only readers of weights from elsewhere: PyTorch state dicts and safetensors, as tensors with finite values.

No code in the files is executed.
"""

import os
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from puzzlecell.network.network_file import NetworkError
from puzzlecell.regular_file import file_problem

WRAPPERS = ("state_dict", "model_state_dict", "model", "teacher")
"""Keys under which training programs store the state dict, next to other values."""

_TYPES = {
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.bool,
}
# What PyTorch says about a name that it refuses to import.
_REFUSED_NAME = re.compile(r"GLOBAL ([\w.]+)").search


def read_state_dict(path: str | os.PathLike) -> dict[str, Tensor]:
    """Read a PyTorch state dict, also from inside one of `WRAPPERS`.

    Raises NetworkError naming the file if it is not a complete file written by `torch.save`, contains anything but
    tensors, or has tensors that `tensor_problem` refuses.
    """
    problem = weights_file_problem(path, "checkpoint")
    if problem:
        raise NetworkError(f"{path}: {problem}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _check_zip(path)
            state = torch.load(path, map_location="cpu", weights_only=True)
    except NetworkError:
        raise
    except Exception as error:
        # A damaged or foreign file can fail anywhere in the reader. PyTorch's own message is not repeated: it advises
        # to execute the code in the file.
        raise NetworkError(f"{path}: {_not_a_state_dict(path, error)}") from error
    for name in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(name), Mapping):
            state = state[name]
    if not isinstance(state, Mapping) or not state:
        found = type(state).__name__ if not isinstance(state, Mapping) else "nothing"
        raise NetworkError(f"{path}: not a state dict of tensors: it contains {found}")
    return _checked(path, state)


def _check_zip(path: str | os.PathLike) -> None:
    """Raise NetworkError if an entry of a zip file does not match its checksum, which PyTorch does not look at."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise NetworkError(
                f"{path}: damaged: the checksum of {damaged} in it does not match; get it again from its publisher"
            )


def read_safetensors(path: str | os.PathLike) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file.

    Raises NetworkError naming the file if it is not a complete safetensors file, or has tensors that `tensor_problem`
    refuses.
    """
    problem = weights_file_problem(path, "file of weights")
    if problem:
        raise NetworkError(f"{path}: {problem}")
    try:
        tensors = load_file(path)
    except Exception as error:
        raise NetworkError(f"{path}: not a safetensors file, or damaged: {error}") from error
    return _checked(path, tensors)


def weights_file_problem(path: str | os.PathLike, what: str) -> str | None:
    """Return why `path` is not a file with any content, as `file_problem`; None if it is one."""
    problem = file_problem(path, what)
    if problem is None and Path(path).stat().st_size == 0:
        return "the file is empty"
    return problem


def tensor_problem(name: object, value: object) -> str | None:
    """Return why an entry of a state dict cannot be used: its name, its type or its values; None if it can."""
    if not isinstance(name, str):
        return f"the key {name!r} is not the name of a tensor"
    if not isinstance(value, Tensor):
        return f"{name} is not a tensor, but {type(value).__name__}"
    if value.layout != torch.strided or value.device.type != "cpu" or value.dtype not in _TYPES:
        return f"{name} is not a plain tensor of numbers ({value.dtype}, {value.layout}, {value.device})"
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f"{name} claims the shape {tuple(value.shape)}, but has fewer values"
    if not torch.isfinite(value).all():
        return f"{name} has values that are not finite (NaN or infinity)"
    return None


def is_safetensors(path: str | os.PathLike) -> bool:
    """Return whether a file begins like a safetensors file: 8 bytes with the length of the header, which is JSON."""
    with Path(path).open("rb") as file:
        return file.read(9)[8:] == b"{"


def _checked(path: str | os.PathLike, state: Mapping) -> dict[str, Tensor]:
    for name, value in state.items():
        problem = tensor_problem(name, value)
        if problem:
            raise NetworkError(f"{path}: not a state dict of tensors: {problem}")
    return {name: value.detach() for name, value in state.items()}


def _not_a_state_dict(path: str | os.PathLike, error: Exception) -> str:
    if is_safetensors(path):
        return "this is a safetensors file; expected a checkpoint written by torch.save"
    name = _REFUSED_NAME(str(error))
    if name:
        return (
            f"refused: it contains more than tensors ({name[1]}); expected a state dict, not a pickled network. Ask "
            "its publisher for a state dict"
        )
    if "TorchScript" in str(error):
        return "this is a TorchScript program; expected a state dict of tensors"
    return "not a file written by torch.save, or cut off or damaged; get it again from its publisher"
