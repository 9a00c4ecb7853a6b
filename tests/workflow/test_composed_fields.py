"""Data sets composed of the user's own cells in the workflow: what a changed image rebuilds, and what stops a run."""

import re

from helpers.cell_images import write_cell, write_cells

ROWS = [("a1", "Nucleoplasm", "p1"), ("a2", "Nucleoplasm", "p2"), ("b1", "Golgi apparatus", "p3")]
COMPOSED = {"cells_from": "cells", "cell_scale": 0.7, "fields": 3, "size": 64, "cells": [2, 3]}
TARGETS = [f"results/simulated/{name}/labels.csv" for name in ("train", "holdout", "test")]


def test_a_changed_cell_rebuilds_the_composed_data_sets_only(fresh):
    def compose(settings):
        for name in ("holdout", "test"):
            settings["datasets"][name]["simulate"] = COMPOSED

    configuration = fresh.configure("composed.yaml", compose)
    write_cells(fresh.folder / "cells", ROWS)
    # A group of Golgi cells is missing; the run stops before it starts.
    done = fresh.run(*TARGETS, configuration=configuration)
    assert done.returncode != 0
    assert "datasets.holdout.simulate.cells_from:" in done.stdout
    assert re.search(r"class Golgi apparatus: 1 group\(s\), which all go to the training sets", done.stdout)
    assert not (fresh.folder / "results/simulated").exists()

    write_cells(fresh.folder / "cells", [*ROWS, ("b2", "Golgi apparatus", "p4")])
    done = fresh.run(*TARGETS, configuration=configuration)
    assert done.returncode == 0, done.stdout[-6000:]
    assert fresh.planned(*TARGETS, configuration=configuration) == {}
    write_cell(fresh.folder / "cells", "b2", level=33)
    assert fresh.planned(*TARGETS, configuration=configuration) == {"simulate": 2}
