"""Safe reading of the HPA segmenter's published weights, without executing any code in them.

The files are pickles of whole PyTorch modules, whose classes need not be installed. A pickle can call any function by
name. The reader here accepts only tensors and modules, which it replaces by empty placeholders, and refuses every other
name.
"""

import io
import math
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, ClassVar

import torch
from torch import Tensor

from puzzlecell.errors import UserError
from puzzlecell.network.foreign_weights import is_safetensors, tensor_problem, weights_file_problem

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_MODULES = ("torch.nn.modules.", "torch.nn.parallel.", "pytorch_zoo.")


class WeightsError(UserError):
    """An unusable weights file; the message names the file, what was found and what to do."""


class _Storage:
    """Values of a tensor; they may be read after the tensor itself has been unpickled."""

    def __init__(self, dtype: torch.dtype):
        self.dtype = dtype
        self.values: Tensor | None = None


class _StoredTensor:
    """A tensor as a view (offset, size, stride) of a storage."""

    def __init__(
        self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
    ):
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def read(self) -> Tensor:
        if self.storage.values is None:
            raise pickle.UnpicklingError("the values of a tensor are missing")
        if math.prod(self.size) > len(self.storage.values):
            raise pickle.UnpicklingError("a tensor claims more values than there are")
        return torch.as_strided(self.storage.values, self.size, self.stride, self.offset).clone()


class _Shell:
    """Placeholder for a pickled module: keeps its attributes but has no behaviour."""

    def __init__(self, *_: object):
        self.attributes: dict = {}

    def __setstate__(self, state: dict) -> None:
        self.attributes = state


def _parameter(stored: _StoredTensor, *_: object) -> _StoredTensor:
    return stored


def _plain_text(*parts: object) -> str:
    return ":".join(map(str, parts))


class _Clamped:
    """A file that is never asked for more bytes than it has: a damaged length would otherwise take that much memory."""

    def __init__(self, file: IO[bytes], size: int):
        self._file, self._size = file, size

    def read(self, count: int) -> bytes:
        return self._file.read(min(count, max(0, self._size - self._file.tell())))

    def readline(self) -> bytes:
        return self._file.readline()


class _TensorsOnly(pickle._Unpickler):
    """Unpickles only tensors, containers and placeholders for modules; any other name is an error.

    Derived from the unpickler written in Python, because that in C allocates whatever number a damaged file gives as
    the place of an object in its table. Bytearrays, which PyTorch does not write, are refused: their length is taken
    as it is.
    """

    dispatch: ClassVar[dict] = {
        code: load for code, load in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]
    }

    def __init__(self, file: IO[bytes], size: int, storage: Callable[[tuple], object], path: Path):
        super().__init__(_Clamped(file, size), encoding="latin1")
        self._storage = storage
        self._path = path

    def find_class(self, module: str, name: str) -> object:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("builtins", "set"): set,
            ("__builtin__", "set"): set,
            ("torch._utils", "_rebuild_tensor_v2"): _StoredTensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
            ("torch", "device"): _plain_text,
            # Modules pickled by early versions of PyTorch 1 refer to a table of functions, which is never called here.
            ("torch.nn.backends.thnn", "_get_thnn_function_backend"): _Shell,
        }
        if (module, name) in known:
            return known[module, name]
        if module in ("torch", "torch.storage") and name in _DTYPES:
            return _DTYPES[name]
        if f"{module}.".startswith(_MODULES):
            return type(name, (_Shell,), {})
        raise WeightsError(
            f"{self._path}: refused, the file asks for {module}.{name}; weights of the HPA segmenter need "
            "only tensors and modules of torch.nn and pytorch_zoo. Do not open this file with PyTorch "
            "either; download it again from its publisher"
        )

    def persistent_load(self, identity: tuple) -> object:
        return self._storage(identity)


def read_published(path: str | os.PathLike) -> dict[str, Tensor]:
    """Return the tensors of a pickled PyTorch module (or pickled state dict) under their state-dict names.

    Reads both file formats of `torch.save`; unwraps `DataParallel`. Raises WeightsError if the file was not written by
    `torch.save`, asks for anything but tensors and modules, or has a tensor that `tensor_problem` refuses.
    """
    path = Path(path)
    problem = weights_file_problem(path, "file of weights")
    if problem:
        raise WeightsError(f"{path}: {problem}")
    try:
        found = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
        return _tensors(found, path)
    except WeightsError:
        raise
    except Exception as error:
        # A damaged or foreign pickle can fail anywhere in the reader.
        found = (
            "this is a safetensors file"
            if is_safetensors(path)
            else "it is damaged, cut off or something else"
        )
        raise WeightsError(
            f"{path}: not a file written by torch.save: {found}; download it again from its publisher"
        ) from error


def _tensors(found: object, path: Path) -> dict[str, Tensor]:
    if isinstance(found, _Shell) and type(found).__name__ == "DataParallel":
        found = found.attributes["_modules"]["module"]
    stored = dict(_named_tensors(found)) if isinstance(found, _Shell) else found
    if not isinstance(stored, dict):
        raise WeightsError(f"{path}: holds {type(found).__name__}, expected a module or a state dict")
    for name, value in stored.items():
        if not isinstance(value, _StoredTensor):
            raise WeightsError(f"{path}: not a state dict: {name!r} is {type(value).__name__}, not a tensor")
    tensors = {name: tensor.read() for name, tensor in stored.items()}
    for name, tensor in tensors.items():
        problem = tensor_problem(name, tensor)
        if problem:
            raise WeightsError(f"{path}: {problem}; download it again")
    return tensors


def _named_tensors(shell: _Shell, prefix: str = "") -> list[tuple[str, _StoredTensor]]:
    attributes = shell.attributes
    transient = attributes.get("_non_persistent_buffers_set", ())
    own = [
        (prefix + name, tensor)
        for kind in ("_parameters", "_buffers")
        for name, tensor in attributes.get(kind, {}).items()
        if tensor is not None and name not in transient
    ]
    for name, module in attributes.get("_modules", {}).items():
        if module is not None:
            own += _named_tensors(module, f"{prefix}{name}.")
    return own


def _read_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise WeightsError(f"{path}: a zip file without data.pkl; expected one written by torch.save")
        folder = pickles[0].removesuffix("data.pkl")
        storages: dict[str, _Storage] = {}

        def storage(identity: tuple) -> _Storage:
            kind, dtype, key, *_ = identity
            if kind != "storage":
                raise pickle.UnpicklingError(f"unknown reference {kind!r}")
            if key not in storages:
                storages[key] = _Storage(dtype)
                values = _uncompressed(archive, f"{folder}data/{key}")
                storages[key].values = _from_bytes(bytearray(values), dtype)
            return storages[key]

        content = _uncompressed(archive, pickles[0])
        return _TensorsOnly(io.BytesIO(content), len(content), storage, path).load()


def _uncompressed(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read an entry that is not compressed, as `torch.save` writes them; a compressed one could expand to any size."""
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise pickle.UnpicklingError(f"{name} is compressed, which torch.save never does")
    return archive.read(entry)


def _read_legacy(path: Path) -> object:
    storages: dict[str, _Storage] = {}

    def storage(identity: tuple) -> object:
        kind = identity[0]
        if kind == "module":
            # Older files store the source code of each class with it.
            return identity[1]
        if kind != "storage":
            raise pickle.UnpicklingError(f"unknown reference {kind!r}")
        _, dtype, key, _, _, view = identity
        if view is not None:
            raise pickle.UnpicklingError("storages that share memory are not expected")
        return storages.setdefault(key, _Storage(dtype))

    size = path.stat().st_size
    with path.open("rb") as file:
        if _TensorsOnly(file, size, storage, path).load() != _LEGACY_MAGIC:
            raise pickle.UnpicklingError("the file does not begin like one written by torch.save")
        _version, _system, found, keys = (_TensorsOnly(file, size, storage, path).load() for _ in range(4))
        for key in keys:
            count = int.from_bytes(file.read(8), "little")
            dtype = storages[key].dtype
            length = count * dtype.itemsize
            if length > size - file.tell():
                raise EOFError(f"storage {key} is truncated")
            storages[key].values = _from_bytes(bytearray(file.read(length)), dtype)
    return found


def _from_bytes(values: bytearray, dtype: torch.dtype) -> Tensor:
    if len(values) % dtype.itemsize:
        raise EOFError(f"{len(values)} bytes are no whole number of values of {dtype}")
    return torch.frombuffer(values, dtype=dtype) if values else torch.empty(0, dtype=dtype)
