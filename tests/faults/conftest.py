"""Runs to be stopped: watched projects."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.faults import LAST_JOBS, Watched, watched


@pytest.fixture
def runs(changed) -> Iterator[Watched]:
    """The finished project without the results of its last jobs: those of stage 3, and what follows from them."""
    for name in LAST_JOBS:
        path = changed.folder / "results" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with watched(changed) as project:
        yield project


@pytest.fixture
def first(finished) -> bytes:
    """The submission of a run that nothing stopped."""
    return (finished.folder / "results/submission.csv").read_bytes()


@pytest.fixture
def mount() -> Iterator[object]:
    """A function that mounts something on a folder until the end of the test, or skips the test."""
    mounted: list[Path] = []

    def mounting(folder: Path, *arguments: str) -> None:
        if shutil.which("mount") is None or os.geteuid() != 0:
            pytest.skip("only root can mount a file system")
        if subprocess.run(["mount", *arguments, folder]).returncode:
            pytest.skip("a file system cannot be mounted here")
        if folder not in mounted:
            mounted.append(folder)

    yield mounting
    for folder in reversed(mounted):
        subprocess.run(["umount", folder], check=True)
