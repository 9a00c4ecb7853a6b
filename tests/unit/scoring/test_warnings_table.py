"""The table of what looks wrong, assembled from the results of a run."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.plausibility import Finding
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import write_csv, write_parquet
from puzzlecell.runtime.checksums import written_with_checksum
from puzzlecell.scoring.warnings_table import DatasetFiles, StageFiles, as_text, find_all, write_warnings

SETTINGS = PlausibilitySettings()
CLASSES = ["a", "b"]


def write_dataset(folder, shards=2):
    """Four good fields in each shard; in shard 0, f0 has no cell and f1 no contrast in green."""
    files = [[folder / f"{n:03d}.{end}" for n in range(shards)] for end in ("h5", "rejected.csv", "parquet")]
    for number, (store, rejected, cells) in enumerate(zip(*files, strict=True)):
        ids = [f"f{4 * number + row}" for row in range(4)]
        levels = np.full((4, 4), 100, np.uint8)
        levels[1, 1] = 1 if number == 0 else 100
        sides = np.full(4, 64)
        depth = np.full(4, 8, np.uint8)
        write_shard(store, ids, {"height": sides, "width": sides, "bit_depth": depth, "contrast": levels}, {})
        rows = [("NA", "NA_red.png: cut off, copy it again")] if number == 0 else []
        write_csv(rejected, pd.DataFrame(rows, columns=["ID", "reason"]))
        table = pd.DataFrame({"ID": ids[1:] if number == 0 else ids, "nucleus_area_px": 400})
        table = table.assign(y0=1, x0=1, y1=60, x1=60)
        table.attrs = {"no_cells": {ids[0]: "all dark"} if number == 0 else {}}
        write_parquet(cells, table)
    return DatasetFiles("set", PixelSizes(0.5), *files)


def write_stage(folder, folds=2):
    paths = [folder / f"oof{number}.csv" for number in range(folds)]
    for path in paths:
        # Class a comes in perfect order, class b in the reverse of it.
        with written_with_checksum(path) as temporary:
            temporary.write_text("ID,Label,p00,p01\nx,0|1,0.9,0.1\ny,,0.2,0.8\nz,,0.1,0.9\n")
    return StageFiles("m, s", ["set", "more"], paths)


EXPECTED = [
    Finding("set+more", "", "m, s: no fold learns b: the average precision on held-out fields is at chance"),
    Finding("set", "f0", "no cell: all dark"),
    Finding(
        "set",
        "f1",
        "the green channel is nearly constant: 1 of 255 grey levels from its darkest to its brightest pixel",
    ),
    Finding("set", "NA", "rejected: NA_red.png: cut off, copy it again"),
]


def test_all_findings_of_a_run(tmp_path):
    found = find_all([write_dataset(tmp_path)], [write_stage(tmp_path)], CLASSES, SETTINGS)
    assert found == EXPECTED
    write_warnings(tmp_path / "warnings.csv", found)
    table = pd.read_csv(tmp_path / "warnings.csv", dtype=str, keep_default_na=False)
    assert [Finding(*row) for row in table.itertuples(index=False)] == EXPECTED
    assert as_text("results/warnings.csv", found) == (
        "4 warnings, see results/warnings.csv\n"
        "    set+more: m, s: no fold learns b: the average precision on held-out fields is at chance\n"
        "    3 findings about single fields"
    )


def test_fields_unlike_the_training_fields_are_listed_and_the_terminal_says_so(tmp_path):
    files = write_dataset(tmp_path)
    tables = [tmp_path / "000.images.parquet", tmp_path / "001.images.parquet"]
    for number, path in enumerate(tables):
        ids = [f"f{4 * number + row}" for row in range(4)]
        where = ["features", "", "features; darker blue", "features"]
        write_parquet(
            path, pd.DataFrame({"ID": ids, "unlike_training": [3.0, 0.9, 2.0, 4.0], "unlike_in": where})
        )
    found = find_all([replace(files, unlike=tables)], [], CLASSES, SETTINGS)
    assert len(found) == len(EXPECTED) - 1 + 1 + 6
    assert as_text("w.csv", found).splitlines()[1] == (
        "    set: 6 of 8 fields look unlike the fields that the model was trained on (median distance 2.5, expected "
        "below 1; mostly: features): its probabilities are not to be trusted here"
    )
    assert (
        Finding(
            "set", "f6", "unlike the training fields: distance 2, expected below 1 (features; darker blue)"
        )
        in found
    )


def test_without_findings_the_table_has_only_its_header(tmp_path):
    write_warnings(tmp_path / "warnings.csv", [])
    assert (tmp_path / "warnings.csv").read_text() == "dataset,ID,what\n"
    assert as_text("results/warnings.csv", []) == ""


def test_what_does_not_exist_is_left_out(tmp_path):
    files, stage = write_dataset(tmp_path), write_stage(tmp_path)
    for path in (files.cells[0], files.rejected[0], stage.held_out[1]):
        path.unlink()
    assert find_all([files], [stage], CLASSES, SETTINGS) == [EXPECTED[2]]
    for path in files.stores:
        path.unlink()
    assert find_all([files], [], CLASSES, SETTINGS) == []


@pytest.mark.parametrize("kind", ["stores", "cells", "rejected", "held_out"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff damaged", b"one,two\n1,2\n"])
def test_a_file_that_cannot_be_read_is_a_finding_and_the_others_are_read(tmp_path, kind, content):
    files, stage = write_dataset(tmp_path), write_stage(tmp_path)
    path = (stage.held_out if kind == "held_out" else getattr(files, kind))[0]
    path.write_bytes(content)
    first, *others = find_all([files], [stage], CLASSES, SETTINGS)
    assert (first.dataset, first.ID) == ("set+more" if kind == "held_out" else "set", "")
    assert str(path) in first.what
    lost = {"stores": [1, 2], "cells": [1], "rejected": [3], "held_out": [0]}[kind]
    assert others == [finding for number, finding in enumerate(EXPECTED) if number not in lost]


def test_fields_of_old_and_new_shards_count_once(tmp_path):
    files = write_dataset(tmp_path)
    files.stores[1].write_bytes(files.stores[0].read_bytes())
    assert find_all([files], [], CLASSES, SETTINGS) == EXPECTED[1:]


def test_the_terminal_shows_the_first_findings_shortened():
    findings = [Finding("set", "", f"{number} " + "x" * 400) for number in range(9)]
    first, *lines = as_text("w.csv", findings).split("\n")
    assert first == "9 warnings, see w.csv"
    assert len(lines) == 7
    assert max(map(len, lines)) <= 310
    assert lines[0].endswith("x ...")
    assert lines[-1] == "    and 3 more about whole data sets"
    assert as_text("w.csv", [Finding("set", "f", "dark")]).startswith("1 warning, see w.csv\n")


def test_findings_of_jobs_and_images_in_training_and_test_sets_are_listed(tmp_path):
    contents = {"train": ["a1", "b2"], "test": ["c3", "a1"]}
    datasets = []
    for role, texts in contents.items():
        path = tmp_path / f"{role}.contents.csv"
        ids = [f"{role}{number}" for number in range(2)]
        write_csv(path, pd.DataFrame({"ID": ids, "content": texts}))
        datasets.append(DatasetFiles(role, 0.5, [], [], [], role=role, contents=[path]))
    rows = [("train", "", "whole"), ("train", "007", "one")]
    write_csv(tmp_path / "folds.csv", pd.DataFrame(rows, columns=["dataset", "ID", "what"]))
    tables = [tmp_path / "folds.csv", tmp_path / "none.csv"]
    first, shared, last = find_all(datasets, [], CLASSES, SETTINGS, tables=tables)
    assert (first, last) == (Finding("train", "", "whole"), Finding("train", "007", "one"))
    assert (shared.dataset, shared.ID) == ("test", "")
    assert "1 of 2 (test1 = train0 of train)" in shared.what
