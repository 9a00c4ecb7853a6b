import errno
import os
import shutil
import subprocess

import pytest

from puzzlecell.runtime.atomic import DiskFullError, remove_partials, written_whole


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "a.csv"
    with written_whole(path) as temporary:
        temporary.write_text("all")
        assert not path.exists()
    assert [file.name for file in path.parent.iterdir()] == ["a.csv"]


def test_a_failed_write_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("before")
    with pytest.raises(KeyError), written_whole(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_named(tmp_path, error):
    path = tmp_path / "last.ckpt"
    path.write_text("before")
    message = "last.ckpt: cannot be written, because the disk .* is full .*; the earlier file is unchanged"
    with pytest.raises(DiskFullError, match=message), written_whole(path):
        raise error
    assert path.read_text() == "before"


def test_other_errors_are_passed_on(tmp_path):
    with pytest.raises(OSError, match="other"), written_whole(tmp_path / "a"):
        raise OSError(errno.EIO, "other")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_state_that_does_not_fit_on_the_disk_leaves_the_last_good_one(small_disk):
    import torch

    from puzzlecell.training.checkpoint import load_state, save_state

    save_state(small_disk / "last.ckpt", "one", {"epoch": 1, "best": None})
    with pytest.raises(DiskFullError, match="last.ckpt: cannot be written"):
        save_state(small_disk / "last.ckpt", "one", {"epoch": 2, "weights": torch.rand(100_000)})
    assert load_state(small_disk / "last.ckpt", "one")[0]["epoch"] == 1


def test_only_half_written_files_are_removed(tmp_path):
    names = [".a.12.partial.csv", ".b.12.partial", "a.csv", ".hidden", ".a.partial.csv", ".c.d.7.partial.h5"]
    for name in names:
        (tmp_path / name).touch()
    remove_partials(tmp_path, {"a"})
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])
    remove_partials(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", ".hidden", ".a.partial.csv"}
