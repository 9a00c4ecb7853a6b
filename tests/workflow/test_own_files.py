"""The user's own files, named in their own way and without labels, from images to predictions."""

import csv
import os
import shutil
import time

import pandas as pd

from puzzlecell.data.raw_files import CHANNELS

NAMES = dict(zip(CHANNELS, ["tub", "prot", "dapi", "er"], strict=True))
TABLES = {"ensemble": 1, "submission": 1}
PREDICTED = {"segment": 1, "step1": 2, "step2": 1} | TABLES


def own_files(project):
    """The simulated test fields as files of a plate in one data set, and two of them as rows of a table in another."""
    given = project.folder / "results/simulated/test/images"
    ids = sorted(path.name.removesuffix("_red.png") for path in given.glob("*_red.png"))
    plate, listed = project.folder / "plate7", project.folder / "data/listed"
    (plate / "P7").mkdir(parents=True)
    listed.mkdir(parents=True)
    for number, field_id in enumerate(ids):
        for channel, name in NAMES.items():
            shutil.copy(
                given / f"{field_id}_{channel}.png", plate / "P7" / f"A0{number}_s1_{name}_{number}9.png"
            )
    rows = [
        [f"l{number}", *(f"../../plate7/P7/A0{number}_s1_{NAMES[c]}_{number}9.png" for c in CHANNELS[:3])]
        for number in range(2)
    ]
    with (listed / "images.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["ID", *CHANNELS[:3], "pixel_size_um", "gene"])
        table.writerows([*row, 2.56, f"GENE{row[0]}"] for row in rows)
    return {f"P7_A0{number}_1": field_id for number, field_id in enumerate(ids)}


def configure(settings):
    for name in ("test", "holdout"):
        del settings["datasets"][name]
    settings["datasets"]["plate"] = {
        "role": "test",
        "images": "plate7",
        "naming": "{plate}/{well}_s{site,[0-9]+}_{channel}_*.png",
        "channels": NAMES,
        "pixel_size_um": 2.56,
    }
    settings["datasets"]["listed"] = {"role": "test", "channels": {"yellow": {"same_as": "red"}}}


def test_own_files_give_the_same_cells_and_rerun_what_they_decide(changed):
    expected = pd.read_parquet(changed.folder / "results/cells/test.parquet")
    given = own_files(changed)
    configuration = changed.configure("own.yaml", configure)
    done = changed.run("results/submission.csv", configuration=configuration)
    assert done.returncode == 0, done.stdout[-4000:]
    results = changed.folder / "results"
    cells = pd.read_parquet(results / "cells/plate.parquet")
    assert {(row.plate, row.site) for row in cells.itertuples()} == {("P7", "1")}
    assert (cells["ID"] == "P7_" + cells["well"] + "_1").all()
    same = cells.drop(columns=["plate", "well", "site"]).assign(ID=cells["ID"].map(given))
    # The fields lie in other shards, so they come in another order and in other batches.
    order = ["ID", "cell"]
    pd.testing.assert_frame_equal(
        same.sort_values(order, ignore_index=True), expected.sort_values(order, ignore_index=True), atol=1e-5
    )
    listed = pd.read_parquet(results / "cells/listed.parquet")
    assert set(zip(listed["ID"], listed["gene"], strict=True)) == {("l0", "GENEl0"), ("l1", "GENEl1")}
    answered = pd.read_csv(results / "submission.csv")["ID"].tolist()
    assert answered == [*sorted(given), "l0", "l1"]

    def planned():
        return changed.planned(configuration=configuration)

    assert planned() == {}
    table = changed.folder / "data/listed/images.csv"
    text = table.read_text()
    table.write_text(text.replace("GENEl1", "OTHER"))
    assert planned() == TABLES
    table.write_text(text.replace("2.56", "2.5"))
    assert planned() == PREDICTED
    table.write_text(text)
    assert planned() == {}
    later = time.time() + 5
    image = next((changed.folder / "plate7/P7").glob("A00_*_tub_*"))
    os.utime(image, (later, later))
    # One of the images in the table, too.
    assert planned() == {"ingest": 2, "segment": 2, "step1": 4, "step2": 2, "ensemble": 2, "submission": 1}
