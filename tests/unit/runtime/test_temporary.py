import errno
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from puzzlecell.runtime import temporary
from puzzlecell.runtime.process import this_process
from puzzlecell.runtime.temporary import (
    OWNER,
    note_process,
    own_temporary_folder,
    remove_abandoned,
    shared_temporary_folder,
)


@pytest.fixture
def shared(monkeypatch):
    """An empty folder with a short path, as TMPDIR."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)


def test_temporary_files_of_a_job_and_its_children_are_in_a_folder_that_is_removed(shared):
    with own_temporary_folder():
        own = Path(tempfile.gettempdir())
        assert own.parent == shared == shared_temporary_folder()
        tell = "import tempfile; print(tempfile.mkdtemp())"
        child = subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True, check=True)
        assert Path(child.stdout.strip()).parent == own
        # torch.compile's cache outlives the job.
        assert Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).parent == shared
    assert list(shared.iterdir()) == []
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(shared)
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ


def test_where_no_folder_can_be_made_the_shared_one_is_used(shared, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with own_temporary_folder():
        assert tempfile.gettempdir() == str(shared)


def test_folders_stay_short_enough_for_the_sockets_of_workers(shared, monkeypatch):
    long = shared / ("x" * 60)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with own_temporary_folder():
        assert tempfile.gettempdir() == str(long)


HERE = this_process()


@pytest.mark.parametrize(
    ("owner", "left"),
    [
        (replace(HERE, started="1"), False),
        (HERE, True),
        (replace(HERE, namespace="of a container"), True),
        (None, True),
    ],
    ids=["killed", "running", "elsewhere", "unknown"],
)
def test_only_folders_of_killed_processes_are_removed(shared, owner, left):
    for name in ("snakemake12", "other12"):
        (shared / name / "below").mkdir(parents=True)
        if owner:
            (shared / name / OWNER).write_text(owner.as_json())
    remove_abandoned(shared, "snakemake")
    assert (shared / "snakemake12").exists() is left
    assert (shared / "other12").exists()


def test_a_killed_job_leaves_a_folder_that_the_next_job_removes(shared):
    kill = (
        "import os\nfrom puzzlecell.runtime.temporary import own_temporary_folder\n"
        "with own_temporary_folder():\n    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", kill], check=False)
    assert len(list(shared.iterdir())) == 1
    with own_temporary_folder():
        assert len(list(shared.iterdir())) == 1
    assert list(shared.iterdir()) == []


NUMBERS = [2**22 + number for number in range(1, 4)]
"""Larger than any process number."""


def test_shared_memory_of_a_killed_job_and_of_its_noted_children_is_removed(shared, tmp_path, monkeypatch):
    monkeypatch.setattr(temporary, "_SHARED_MEMORY", tmp_path)
    owner, child, other = (replace(HERE, pid=number) for number in NUMBERS)
    kept = [f"sem.loky-{other.pid}-a", f"sem.loky-{HERE.pid}-a", f"sem.loky-1{owner.pid}-a", "sem.mp-a"]
    for name in (*kept, f"sem.loky-{owner.pid}-a", f"sem.loky-{child.pid}-b", f"torch_{child.pid}_12_0"):
        (tmp_path / name).touch()
    folder = shared / "puzzlecell-job-12"
    folder.mkdir()
    for process in (child, replace(HERE, started="1")):
        monkeypatch.setattr(os, "getpid", lambda process=process: process.pid)
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        monkeypatch.setattr(temporary, "this_process", lambda process=process: process)
        note_process()
    (folder / OWNER).write_text(owner.as_json())
    remove_abandoned(shared, "puzzlecell-job-")
    assert not folder.exists()
    assert {path.name for path in tmp_path.iterdir()} == set(kept)
