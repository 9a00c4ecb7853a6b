"""Damaged results are named by what reads them and by `puzzlecell verify`, and are made again once they are deleted."""

import re
import shlex
import subprocess
import sys

import h5py
import pytest

SUBMISSION = "results/submission.csv"


def flip(path):
    """Change 16 bytes: in HDF5 in the first image, which every reader reads, else in the middle."""
    content = bytearray(path.read_bytes())
    place = len(content) // 2
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            place = file["cells" if "cells" in file else "images"].id.get_chunk_info(0).byte_offset + 40
    content[place : place + 16] = bytes(255 - value for value in content[place : place + 16])
    path.write_bytes(content)


def cut_off(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def verify(project):
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from puzzlecell.cli.main import main; sys.exit(main())",
            "verify",
            "results",
        ],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
    )


def test_a_finished_run_is_intact(finished):
    done = verify(finished)
    assert done.returncode == 0, done.stderr
    assert "all are intact" in done.stdout
    assert "no checksum" not in done.stdout


DAMAGE = {
    "results/store/test/000.h5": flip,
    "results/masks/test/001.h5": cut_off,
    "results/models/tiny/stage3/fold1/model.safetensors": flip,
    "results/folds/folds.csv": cut_off,
    "results/masks/test/000.png": flip,
    "results/step2/test/tiny.stage3/001.parquet": flip,
    "results/view/data/test/000/cells.js": flip,
    "results/view/data/test/000/sheet-0000.webp": cut_off,
}


def test_damaged_files_are_listed_and_made_again_as_the_message_says(changed):
    expected = (changed.folder / SUBMISSION).read_bytes()
    for name, damage in DAMAGE.items():
        damage(changed.folder / name)
    done = verify(changed)
    assert done.returncode == 1
    assert set(re.findall(r"^damaged: (\S+):", done.stdout, re.MULTILINE)) == set(DAMAGE)
    remove, again = done.stdout.splitlines()[-2:]
    assert again == f"snakemake --cores 10 intermediates {SUBMISSION}"
    assert set(shlex.split(remove)) == {"rm", "-r", *DAMAGE}
    subprocess.run(remove, shell=True, cwd=changed.folder, check=True)
    done = changed.run("intermediates", SUBMISSION)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (changed.folder / SUBMISSION).read_bytes() == expected


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("results/store/test/000.h5", "results/step1/test/tiny.stage2/000.parquet"),
        ("results/masks/test/000.h5", "results/step2/test/tiny.stage3/000.parquet"),
        ("results/models/tiny/stage2/fold2/model.safetensors", "results/step1/test/tiny.stage2/000.parquet"),
        ("results/folds/folds.csv", "results/models/tiny/stage1/fold1/model.safetensors"),
        ("results/step1/test/tiny.stage2/000.images.parquet", "results/cells/test.parquet"),
        ("results/cells/test.parquet", SUBMISSION),
        ("results/oof/tiny/stage2/fold1.images.csv", "results/oof/tiny/stage2/metrics.csv"),
    ],
)
def test_a_job_that_reads_a_damaged_file_names_it_and_the_remedy(changed, name, target):
    flip(changed.folder / name)
    rule = {"submission.csv": "submission", "test.parquet": "ensemble"}.get(target.rpartition("/")[2])
    done = changed.run(target, *(["--forcerun", rule] if rule else []))
    assert done.returncode != 0
    assert f"{name}: damaged: " in done.stdout
    assert re.search(r"delete (this file|it and \S+\.checksum) and start again", done.stdout)
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("good", "place", "target"),
    [
        (
            "models/tiny/stage2/fold2/model.safetensors",
            "models/tiny/stage2/fold1/model.safetensors",
            "results/step1/test/tiny.stage2/000.parquet",
        ),
        (
            "step1/test/tiny.stage3/000.parquet",
            "step1/test/tiny.stage2/000.parquet",
            "results/cells/test.parquet",
        ),
        ("store/additional/000.h5", "store/test/000.h5", "results/masks/test/000.h5"),
    ],
)
def test_a_good_file_at_the_place_of_another_is_noticed(changed, good, place, target):
    results = changed.folder / "results"
    (results / place).write_bytes((results / good).read_bytes())
    done = changed.run(target)
    assert done.returncode != 0
    folder = good.removesuffix("/model.safetensors")
    assert f"results/{place}: damaged: it is a copy of results/{folder}; delete this file" in done.stdout
    assert f"damaged: results/{place}: it is a copy of" in verify(changed).stdout
