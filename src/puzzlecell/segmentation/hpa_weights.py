"""Safe reading of the HPA segmenter's published weights, without executing any code in them.

The files are pickles of whole PyTorch modules, whose classes need not be installed. A pickle can call any function by
name. The reader here accepts only tensors and modules, which it replaces by empty placeholders, and refuses every other
name.
"""

import hashlib
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO

import torch
from safetensors.torch import save_file
from torch import Tensor

from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.messages import first_few
from puzzlecell.segmentation.hpa_unet import HpaUnet, published_names
from puzzlecell.segmentation.requirements import checksum_file, missing_checksum

_DAMAGED = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    EOFError,
    LookupError,
    AttributeError,
    TypeError,
    ValueError,
    RuntimeError,
)
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


class WeightsError(ValueError):
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


class _TensorsOnly(pickle.Unpickler):
    """Unpickles only tensors, containers and placeholders for modules; any other name is an error."""

    def __init__(self, file: IO[bytes], storage: Callable[[tuple], object], path: Path):
        super().__init__(file, encoding="latin1")
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

    Reads both file formats of `torch.save` and unwraps `DataParallel`. Raises WeightsError if the file is missing, was
    not written by `torch.save` or asks for anything but tensors and modules.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"there is no file {path}")
    try:
        found = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
        return _tensors(found, path)
    except WeightsError:
        raise
    except _DAMAGED as error:
        raise WeightsError(
            f"{path}: not a file written by torch.save, or truncated ({type(error).__name__}: {error}); "
            f"download it again"
        ) from error


def _tensors(found: object, path: Path) -> dict[str, Tensor]:
    if isinstance(found, _Shell) and type(found).__name__ == "DataParallel":
        found = found.attributes["_modules"]["module"]
    stored = dict(_named_tensors(found)) if isinstance(found, _Shell) else found
    if not isinstance(stored, dict) or not all(isinstance(value, _StoredTensor) for value in stored.values()):
        raise WeightsError(f"{path}: holds {type(found).__name__}, expected a module or a state dict")
    return {name: tensor.read() for name, tensor in stored.items()}


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
                values = bytearray(archive.read(f"{folder}data/{key}"))
                storages[key].values = _from_bytes(values, dtype)
            return storages[key]

        with archive.open(pickles[0]) as file:
            return _TensorsOnly(file, storage, path).load()


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

    with path.open("rb") as file:
        if _TensorsOnly(file, storage, path).load() != _LEGACY_MAGIC:
            raise pickle.UnpicklingError("the file does not begin like one written by torch.save")
        _version, _system, found, keys = (_TensorsOnly(file, storage, path).load() for _ in range(4))
        for key in keys:
            count = int.from_bytes(file.read(8), "little")
            dtype = storages[key].dtype
            values = bytearray(file.read(count * torch.empty(0, dtype=dtype).element_size()))
            storages[key].values = read = _from_bytes(values, dtype)
            if len(read) != count:
                raise EOFError(f"storage {key} is truncated")
    return found


def _from_bytes(values: bytearray, dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(values, dtype=dtype) if values else torch.empty(0, dtype=dtype)


def convert_segmenter(
    source: str | os.PathLike, target: str | os.PathLike, network: HpaUnet | None = None
) -> str:
    """Convert a published .pth file of the HPA segmenter to safetensors; write `<target>.sha256` next to it.

    network: the network that the weights must fit; None means the DPN-92 U-Net with its 595 tensors. Returns the
    checksum. Raises WeightsError naming tensors that are missing, unknown or of the wrong shape.
    """
    if network is None:
        with torch.device("meta"):
            network = HpaUnet()
    tensors = read_published(source)
    names = published_names(network)
    wanted = network.state_dict()
    problems = _listed("missing", set(names.values()) - set(tensors))
    problems += _listed("unknown", set(tensors) - set(names.values()))
    problems += [
        f"{published} has the shape {tuple(tensors[published].shape)}, expected {tuple(wanted[name].shape)}"
        for name, published in names.items()
        if published in tensors and tensors[published].shape != wanted[name].shape
    ][:5]
    if problems:
        raise WeightsError(
            f"{source}: not the network of the HPA segmenter, which has {len(names)} tensors: "
            + "; ".join(problems)
        )
    converted = {name: tensors[published].to(wanted[name].dtype) for name, published in names.items()}
    with written_whole(target) as temporary:
        save_file(converted, temporary, {"source_sha256": _sha256(source)})
    checksum = _sha256(target)
    with written_whole(checksum_file(target)) as temporary:
        temporary.write_text(f"{checksum}  {Path(target).name}\n", encoding="ascii")
    return checksum


def check_sum(path: str | os.PathLike) -> None:
    """Verify the checksum of a converted file; raises WeightsError if it differs or is missing."""
    beside = checksum_file(path)
    if not beside.is_file():
        raise WeightsError(missing_checksum(path))
    expected = beside.read_text(encoding="ascii").split()[0]
    if _sha256(path) != expected:
        raise WeightsError(
            f"{path} differs from its checksum in {beside}; copy the file again or convert the weights again"
        )


def _listed(what: str, names: set[str]) -> list[str]:
    if not names:
        return []
    return [f"{len(names)} {what} ({first_few(sorted(names), 3)})"]


def _sha256(path: str | os.PathLike) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
