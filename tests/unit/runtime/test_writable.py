import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from puzzlecell.runtime.writable import unwritable_folders


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The working directory, with a folder of results."""
    (tmp_path / "results/store/train").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


FOLDERS = ["results", "results/store/train", "results/masks/test", "elsewhere/new"]


def test_writable_folders_are_no_problem_and_nothing_is_made(project):
    assert unwritable_folders(FOLDERS) == []
    assert sorted(path.name for path in project.rglob("*")) == ["results", "store", "train"]


def test_a_file_in_the_way_is_named(project):
    (project / "results/masks").write_text("")
    (problem,) = unwritable_folders(FOLDERS)
    assert problem.startswith("results/masks: is not a folder")


@pytest.mark.parametrize("folder", ["results", "results/store"])
def test_a_read_only_file_system_is_named_once(project, folder):
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only root can mount a folder read-only")
    if subprocess.run(["mount", "-o", "bind,ro", folder, folder]).returncode:
        pytest.skip("a folder cannot be mounted read-only here")
    try:
        (problem,) = unwritable_folders([*FOLDERS, "results/store/train/below"])
    finally:
        subprocess.run(["umount", folder], check=True)
    assert problem.startswith(f"{folder}: this run cannot write")
    assert "mounted read-only; remount it" in problem


def test_missing_permissions_are_named(monkeypatch):
    before = os.geteuid()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.chdir(folder)
        Path(folder).chmod(0o777)
        Path("results").mkdir(mode=0o555)
        # The administrator may write everywhere.
        os.seteuid(65534 if before == 0 else before)
        try:
            (problem,) = unwritable_folders(["results/store"])
        finally:
            os.seteuid(before)
    assert problem.startswith("results: ")
    assert "you have no permission" in problem
