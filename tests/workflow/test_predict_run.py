"""A bundle of the tiny run predicts TIFFs of other names: the same probabilities, a second run, one image more."""

import re
import subprocess
import sys

import cv2
import pandas as pd
import tifffile
from helpers.subcell_data import write_checkpoints

from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.tables import read_csv, read_parquet
from puzzlecell.network.convert_subcell import convert_subcell

COMMAND = "import sys; from puzzlecell.cli.main import main; sys.exit(main(sys.argv[1:]))"
NAMES = dict(zip(CHANNELS, ("tubulin", "protein", "dapi", "er"), strict=True))


def write_tiff(png, folder):
    """Write the pixels of `<ID>_<channel>.png` as a TIFF with the name of the stain."""
    field_id, _, channel = png.stem.rpartition("_")
    image = cv2.imread(str(png), cv2.IMREAD_UNCHANGED)
    tifffile.imwrite(folder / f"{field_id}_{NAMES[channel]}.tif", image)


def test_images_get_the_same_probabilities_as_in_the_run_that_made_the_bundle(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    # Besides the bundle, only what it says of the training fields is left to do.
    assert project.planned("bundle") == {"training_look": 1, "export_bundle": 1, "bundle": 1}
    done = project.run("bundle")
    assert done.returncode == 0, done.stdout[-4000:]
    assert project.planned("bundle") == {}

    def predict(*further):
        given = ["mine", "--model", "project/results/bundle", "--output", "out", "--cores", "2"]
        return subprocess.run(
            [sys.executable, "-c", COMMAND, "predict", *given, *further],
            cwd=tmp_path,
            env=project.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    # Among others and in other shards than in that run.
    (tmp_path / "mine").mkdir()
    for name in ("test", "additional"):
        for png in (project.folder / f"results/simulated/{name}/images").glob("*.png"):
            write_tiff(png, tmp_path / "mine")
    done = predict()
    assert done.returncode == 0, done.stdout[-4000:]
    assert "{ID}_{channel}.tif; red: tubulin, green: protein, blue: dapi, yellow: er (found by" in done.stdout
    lines = done.stdout.splitlines()
    shown = lines[lines.index("results in out/results:") + 1 :]
    named = (
        "view/index.html",
        "cells/images.parquet",
        "export/images.csv.gz",
        "export/images.h5ad",
        "fields/images.csv",
        "submission.csv",
        "masks/images",
        "warnings.csv",
    )
    assert [line.split()[0] for line in shown if line.startswith("    ")] == [
        f"out/results/{name}" for name in named
    ]
    run, own = project.folder / "results", tmp_path / "out/results"
    for table, read in (("cells/{}.parquet", read_parquet), ("fields/{}.csv", read_csv)):
        expected, found = read(run / table.format("test")), read(own / table.format("images"))
        found = found[found["ID"].isin(expected["ID"])]
        if "cell" in expected:
            assert found["unlike_training"].notna().all()
        order = [name for name in ("ID", "cell") if name in expected]
        pd.testing.assert_frame_equal(
            *(rows[list(expected)].sort_values(order).reset_index(drop=True) for rows in (found, expected)),
            check_exact=True,
        )

    assert "Nothing to be done" in predict("--", "-n").stdout
    # SubCell beside the networks of the bundle: its answer, theirs, and both together.
    without = read_parquet(own / "cells/images.parquet")
    encoder, heads = write_checkpoints(tmp_path / "published")
    convert_subcell(encoder, heads, tmp_path / "subcell.safetensors")
    done = predict("--subcell", "subcell.safetensors")
    assert done.returncode == 0, done.stdout[-4000:]
    tables = sorted((own / "step2/images/subcell.cells").glob("*.parquet"))
    read = pd.concat([read_parquet(path) for path in tables]).set_index(["ID", "cell"])
    both = read_parquet(own / "cells/images.parquet").set_index(["ID", "cell"])
    classes = [name for name in both if re.fullmatch(r"p\d\d", name)]
    without = without.set_index(["ID", "cell"])
    assert read.index.sort_values().equals(both.index.sort_values())
    assert (both[classes] != without[classes]).any(axis=None)
    assert sum(name.startswith("location.") for name in read) == 31
    assert predict().returncode == 0
    pd.testing.assert_frame_equal(
        read_parquet(own / "cells/images.parquet").set_index(["ID", "cell"]), without
    )
    for channel in CHANNELS:
        write_tiff(
            min((project.folder / "results/simulated/holdout/images").glob(f"*_{channel}.png")),
            tmp_path / "mine",
        )
    plan = predict("--", "-n").stdout
    table = plan.split("Job stats:")[1].split("total")[0]
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}
    assert jobs == {
        "ingest": 1,
        "segment": 1,
        "step1": 2,
        "step2": 1,
        "unlike_training": 1,
        "ensemble": 1,
        "export_csv": 1,
        "export_h5ad": 1,
        "field_answer": 1,
        "submission": 1,
        "view_budget": 1,
        "view_shard": 1,
        "view_quality": 1,
        "view_index": 1,
        "all": 1,
    }
