"""worlds"""

import argparse
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import world_members
import yaml
from study_fields import label_table
from world_fields import is_there, make_world, negative_of, world_classes

from puzzlecell.config.training import resolved
from puzzlecell.runtime.progress import no_progress
from puzzlecell.training.run import TrainingRun
from puzzlecell.training.train import train

log = logging.getLogger(__name__)


class Unit(NamedTuple):
    """One world with one seed."""

    world: str
    seed: int

    def folder(self, study: dict) -> Path:
        """Folder of its files."""
        return Path(study["output"], f"{self.world}-{self.seed}")


def make_base(study: dict, unit: Unit) -> None:
    """Simulate the fields, train both folds of both stages, and write oof.npz and test.npz (models of fold 1)."""
    world, folder = study["worlds"][unit.world], unit.folder(study)
    classes, negative = world_classes(world), negative_of(world)
    if not (folder / "test.h5").exists():
        make_world(folder, world, unit.seed, study["store"])
    table = label_table(folder / "train.h5", classes)
    # Fields of a well stand one after the other: two by two in turn.
    table = table.assign(fold=1 + np.arange(len(table)) // 2 % 2)
    out_of_fold = []
    for fold in (1, 2):
        start = None
        for stage, changes in study["stages"].items():
            output = folder / stage / f"fold{fold}"
            model = output / "model.safetensors"
            if not model.exists():
                settings = resolved(study["training"], changes, {"seed": unit.seed})
                run = TrainingRun(
                    settings,
                    classes,
                    [folder / "train.h5"],
                    table,
                    fold,
                    output,
                    settings.model_dump_json(),
                    init_from=start,
                )
                train(run, no_progress)
            start = model
        held_out = table.loc[table["fold"] == fold, "ID"].tolist()
        found = world_members.members(start, folder / "train.h5", held_out, negative)
        out_of_fold.append(found | {"fold": np.full(len(found["id"]), fold)})
    world_members.save(folder / "oof.npz", world_members.joined(out_of_fold))
    tests = label_table(folder / "test.h5", classes)["ID"].tolist()
    first = folder / list(study["stages"])[-1] / "fold1/model.safetensors"
    world_members.save(folder / "test.npz", world_members.members(first, folder / "test.h5", tests, negative))


if __name__ == "__main__":
    import sys
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    study = yaml.safe_load(open(sys.argv[1]))
    study["output"] = "/tmp/study/out"
    unit = Unit(sys.argv[2], int(sys.argv[3]))
    t = time.time(); c = time.process_time()
    make_base(study, unit)
    log.info("%s %.0f s wall, %.0f s cpu", unit, time.time() - t, time.process_time() - c)
