"""Files that are no weights, or not those that are expected; each function writes one to a path."""

import os
import pickle
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file


class Anything:
    """An object that is no tensor."""


def cut(path: Path) -> None:
    """Half of a file written by `torch.save`."""
    torch.save({"a": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zip_of_text(path: Path) -> None:
    """A zip file without tensors."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no weights")


def compressed(path: Path) -> None:
    """A file written by `torch.save`, but with compressed values, which expand to 40 times their size."""
    torch.save({"a": torch.zeros(100_000)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def saved(content: object):
    """Function that writes an object with `torch.save`."""
    return lambda path: torch.save(content, path)


def safetensors(path: Path) -> None:
    """A safetensors file."""
    save_file({"a": torch.ones(3)}, path)


def text(path: Path) -> None:
    """A text file."""
    path.write_text("no weights\n")


def plain_pickle(path: Path) -> None:
    """A pickle that `torch.save` did not write."""
    path.write_bytes(pickle.dumps({"a": 1}))


def empty(path: Path) -> None:
    """An empty file."""
    path.touch()


def absent(path: Path) -> None:
    """No file."""


folder, fifo = Path.mkdir, os.mkfifo
NOT_FINITE = torch.tensor([1.0, float("nan")])
HUGE = torch.ones(1).expand(10**6, 10**6)
