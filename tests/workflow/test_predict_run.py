"""A bundle of the tiny run predicts unlabelled images: the same probabilities, a second run, one image more."""

import re
import shutil
import subprocess
import sys

import pandas as pd

from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.tables import read_parquet

COMMAND = "import sys; from puzzlecell.cli.main import main; sys.exit(main(sys.argv[1:]))"


def test_images_get_the_same_probabilities_as_in_the_run_that_made_the_bundle(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    # Nothing but the bundle is left to do.
    assert project.planned("bundle") == {"export_bundle": 1, "bundle": 1}
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
    for name in ("test", "additional"):
        images = project.folder / f"results/simulated/{name}/images"
        shutil.copytree(images, tmp_path / "mine", dirs_exist_ok=True)
    done = predict()
    assert done.returncode == 0, done.stdout[-4000:]
    lines = done.stdout.splitlines()
    results = lines.index("results in out/results:")
    assert "out/results/cells/images.parquet" in lines[results + 1]
    expected = read_parquet(project.folder / "results/cells/test.parquet")
    found = read_parquet(tmp_path / "out/results/cells/images.parquet")
    found = found[found["ID"].isin(expected["ID"])]
    order = ["ID", "cell"]
    pd.testing.assert_frame_equal(
        *(table.sort_values(order).reset_index(drop=True) for table in (found, expected)), check_exact=True
    )

    assert "Nothing to be done" in predict("--", "-n").stdout
    for channel in CHANNELS:
        image = min((project.folder / "results/simulated/holdout/images").glob(f"*_{channel}.png"))
        shutil.copy(image, tmp_path / "mine")
    plan = predict("--", "-n").stdout
    table = plan.split("Job stats:")[1].split("total")[0]
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}
    assert jobs == {
        "ingest": 1,
        "segment": 1,
        "step1": 2,
        "step2": 1,
        "ensemble": 1,
        "submission": 1,
        "all": 1,
    }
