"""A results folder that cannot be written to: full, or mounted read-only."""

import shutil
import subprocess

import pytest
from helpers.faults import SUBMISSION, watched


@pytest.mark.long
def test_a_run_stopped_by_a_full_disk_goes_on_once_there_is_space(runs, first, mount):
    """There is space for less than one state of a training."""
    results, aside = runs.results, runs.folder / "results"
    shutil.move(results, aside)
    used = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file())
    results.mkdir()
    mount(results, "-t", "tmpfs", "-o", f"size={2 * used}", "tmpfs")
    shutil.copytree(aside, results, dirs_exist_ok=True)
    free = shutil.disk_usage(results).free
    mount(results, "-o", f"remount,size={shutil.disk_usage(results).used + 100_000}")
    assert runs.status(runs.start()) == 1
    assert "because the disk or your quota on it is full" in " ".join(runs.shown.split())
    mount(results, "-o", f"remount,size={2 * used + free}")
    runs.finish()
    assert runs.submission == first
    runs.assert_nothing_left()


@pytest.mark.parametrize("folder", ["results", "."])
def test_a_read_only_folder_is_named_before_the_first_job(changed, first, mount, folder):
    (changed.folder / SUBMISSION).unlink()
    read_only = changed.folder / folder
    with watched(changed) as runs:
        mount(read_only, "-o", "bind,ro", read_only)
        assert runs.status(runs.start()) == 1
        shown = " ".join(runs.shown.split())
        named = folder if folder == "results" else str(changed.folder)
        problem = (
            f"{named}: this run cannot write into this folder, because its file system is mounted read-only"
        )
        assert problem in shown
        assert "Traceback" not in shown
        assert "started:" not in shown
        subprocess.run(["mount", "-o", "remount,bind,rw", read_only], check=True)
        runs.finish()
        assert runs.submission == first
        runs.assert_nothing_left()
