"""How are pupils taught best, and how are cells best read from the networks? On several worlds, with several seeds.

Each world with each seed has fields of its own and models of two folds. Cells are scored on ground-truth masks, by the
models of fold 1. Three kinds of things are compared:

- readings: combinations of step 1, step 2, the maps pooled under the cells and the field, without further training;
- pupils: networks trained on crops of cells with soft targets made out of fold, by several recipes;
- techniques: short trainings from stage 1 at equal numbers of steps, with a plain one as control.

A training is done once; an interrupted study resumes, and further processes may join. Worlds that are `kept_out` come
last and count in no mean. A world of real cells whose folder is absent is skipped.

Run: make study, or python benchmarks/studies/worlds.py SETTINGS.yaml [--processes 2]
"""

import argparse
import logging
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import yaml
from world_fields import is_there
from world_tables import report
from world_tasks import KINDS, work


def start_worker() -> None:
    """Set up the log of a process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


def main() -> None:
    """Do all trainings that are left, and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", type=Path)
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 1)))
    parser.add_argument("--output", type=Path, help="folder, in place of the one in the settings")
    parser.add_argument(
        "--kinds", nargs="+", default=KINDS, choices=KINDS, help="only do these; others may run elsewhere"
    )
    parser.add_argument("--tables", action="store_true", help="only write the tables of what is done")
    given = parser.parse_args()
    start_worker()
    study = yaml.safe_load(given.settings.read_text())
    if given.output:
        study["output"] = str(given.output)
    for name, world in study["worlds"].items():
        if not is_there(world):
            logging.warning("the world %s is left out: %s is absent", name, world.get("composed_of"))
    if not given.tables and given.processes == 1:
        work(study, given.kinds)
    elif not given.tables:
        with ProcessPoolExecutor(given.processes, get_context("spawn"), start_worker) as pool:
            for done in [pool.submit(work, study, given.kinds) for _ in range(given.processes)]:
                done.result()
    print(report(study))


if __name__ == "__main__":
    main()
