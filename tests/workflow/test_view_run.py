"""The viewer of a run: made by the default target, and what a change makes again."""

import os
import time

import numpy as np
import pytest
from helpers.view_data import decoded

from puzzlecell.data.tables import class_columns, read_parquet
from puzzlecell.viewer.page_files import page_files

INDEX = {"view_index": 1, "view": 1}
SHARDS = {"view_budget": 1, "view_shard": 3} | INDEX


def setting(old, new):
    return lambda project: project.edit("config/tiny.yaml", old, new)


def view_setting(text):
    return setting("score: {", f"view: {{{text}}}\nscore: {{")


def raw_field(project):
    """One test field changes: its shard is stored, segmented and predicted again."""
    path = min((project.folder / "results/simulated/test/images").glob("*_green.png"))
    later = time.time() + 5
    os.utime(path, (later, later))


def library(path):
    def change(project):
        with (project.folder / "src/puzzlecell/viewer" / path).open("a") as file:
            file.write("\nEDITED = True\n" if path.endswith(".py") else "\n/* edited */\n")

    return change


CHANGES = {
    "nothing": (lambda project: None, {}),
    "a raw field": (
        raw_field,
        {"ingest": 1, "segment": 1, "step1": 2, "step2": 1, "view_budget": 1, "view_shard": 1} | INDEX,
    ),
    "pictures of cells": (view_setting("pictures: {random: 1}"), SHARDS),
    "quality of the pictures": (view_setting("quality: 60"), SHARDS),
    "which data sets are shown": (view_setting("datasets: [test]"), {"view_budget": 1} | INDEX),
    "weights of the ensemble": (setting("step: 2, weight: 1", "step: 2, weight: 3"), SHARDS),
    "when cells are the same": (setting("score: {", "score: {iou_threshold: 0.7, "), SHARDS),
    "a setting of the score": (setting("bootstrap: 20", "bootstrap: 30"), INDEX),
    "code of the outlines": (library("shapes.py"), SHARDS),
    "code of the index": (library("index.py"), INDEX),
    "style of the page": (library("page/style.css"), INDEX),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_again_what_it_changes(changed, change):
    make, expected = CHANGES[change]
    make(changed)
    found = changed.planned("view")
    assert {name: count for name, count in found.items() if name in expected} == expected
    further = set(found) - set(expected)
    # The index also shows scores and the like of the whole run.
    assert not further & {"view_budget", "view_shard", "ingest", "train", "step1"}


def test_a_run_makes_the_viewer_and_says_what_it_costs_and_where_it_is(finished):
    folder = finished.folder / "results/view"
    said = (finished.folder / "first_run.txt").read_text()
    assert "    results/view/index.html" in said
    assert all((folder / name).read_bytes() for name in page_files() if name.endswith(("html", "core.js")))
    _, run, _ = decoded(folder / "data/run.js")
    shown = {given["name"]: given for given in run["datasets"]}
    assert list(shown) == ["test", "holdout"]
    for name, given in shown.items():
        table = read_parquet(finished.folder / f"results/cells/{name}.parquet")
        budget = next(line for line in said.splitlines() if line.startswith(f"{name}: "))
        assert f"{len(table)} cells in {given['fields']} fields; pictures of {len(table)} cells" in budget
        assert given["cells"] == len(table)
        scores = []
        for shard in given["shards"]:
            chunk, _, columns = decoded(folder / f"data/{name}/{shard['name']}/cells.js")
            assert chunk == f"{name}/{shard['name']}/cells"
            scores.append(columns["scores"].reshape(len(run["classes"]), -1).T / 65535)
        np.testing.assert_allclose(
            np.concatenate(scores), table[class_columns(table)].to_numpy(), atol=0.51 / 65535
        )
        log = (finished.folder / f"results/logs/view_shard/{name}/000.log").read_text()
        assert f" {name}/000: {given['shards'][0]['cells']} cells in " in log
