"""The trainings of the study over worlds, each in a folder of its own, done once, by any number of processes."""

import fcntl
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import world_members
from cell_pupils import Crops, recipe_targets, train_pupil
from study_fields import label_table
from techniques import train_technique, training_material
from world_fields import is_there, make_world, negative_of, world_classes

from puzzlecell.config.training import resolved
from puzzlecell.runtime.progress import no_progress
from puzzlecell.training.run import TrainingRun
from puzzlecell.training.train import train

log = logging.getLogger(__name__)
MODEL = "model.safetensors"
KINDS = ("base", "pupil", "technique")


class Task(NamedTuple):
    """One training (or the two folds of all stages) of one world with one seed."""

    world: str
    seed: int
    kind: str
    """`base`, `pupil` or `technique`."""
    name: str

    def unit(self, study: dict) -> Path:
        """Folder of the world with the seed."""
        return Path(study["output"], f"{self.world}-{self.seed}")

    def folder(self, study: dict) -> Path:
        """Folder of the task's files; test.npz, the last one, shows that it is done."""
        return self.unit(study) / self.kind / self.name.replace(" ", "_")

    def done(self, study: dict) -> bool:
        """Whether the task is done."""
        return (self.folder(study) / "test.npz").exists()


def tasks(study: dict) -> list[Task]:
    """All tasks, the most important ones first."""
    worlds = {name: world for name, world in study["worlds"].items() if is_there(world)}
    kept_out = [name for name, world in worlds.items() if world.get("kept_out")]
    chosen = [name for name in worlds if name not in kept_out]
    found = []
    for names in (chosen, kept_out):
        for seed in study["seeds"]:
            for name in names:
                found += [
                    Task(name, seed, "base", "stages"),
                    Task(name, seed, "pupil", next(iter(study["pupils"]))),
                ]
    variants = [("pupil", name, how) for name, how in study["pupils"].items()]
    variants += [("technique", name, how) for name, how in study["techniques"]["variants"].items()]
    for seed in study["seeds"]:
        for kind, variant, how in variants:
            needs_negative = how.get("technique") == "dimmed cells"
            found += [
                Task(name, seed, kind, variant)
                for name in chosen
                if not (needs_negative and negative_of(worlds[name]) is None)
            ]
    return list(dict.fromkeys(found))


def work(study: dict, kinds: Sequence[str] = KINDS) -> None:
    """Do all tasks of these kinds that no other process does, until none is left."""
    while left := [task for task in tasks(study) if task.kind in kinds and not task.done(study)]:
        for task in left:
            base = task._replace(kind="base", name="stages")
            if task.kind != "base" and not base.done(study):
                continue
            with claim(task.unit(study) / f"{task.kind}-{task.name.replace(' ', '_')}.lock") as claimed:
                if claimed and not task.done(study):
                    started, used = time.monotonic(), time.process_time()
                    {"base": do_base, "pupil": do_pupil, "technique": do_technique}[task.kind](study, task)
                    seconds = time.monotonic() - started, time.process_time() - used
                    log.info("%s: %.0f s, %.0f s of processor time", " ".join(map(str, task)), *seconds)
                    break
        else:
            time.sleep(5)


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Whether this process has the file's lock, which ends with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def fold_model(study: dict, task: Task, fold: int, stage: int = -1) -> Path:
    """Weights of a fold of a stage of the base, by default the last one."""
    base = task._replace(kind="base", name="stages")
    return base.folder(study) / list(study["stages"])[stage] / f"fold{fold}" / MODEL


def do_base(study: dict, task: Task) -> None:
    """Make the fields, train both folds of all stages, and predict: oof.npz, and test.npz by the models of fold 1."""
    world, unit = study["worlds"][task.world], task.unit(study)
    classes, negative = world_classes(world), negative_of(world)
    if not (unit / "test.h5").exists():
        make_world(unit, world, task.seed, study["store"])
    table = label_table(unit / "train.h5", classes)
    # Fields of a well stand one after the other: two by two in turn.
    table = table.assign(fold=1 + np.arange(len(table)) // 2 % 2)
    out_of_fold = []
    for fold in (1, 2):
        start = None
        for number, changes in enumerate(study["stages"].values()):
            model = fold_model(study, task, fold, number)
            if not model.exists():
                settings = resolved(study["training"], changes, {"seed": task.seed})
                run = TrainingRun(
                    settings,
                    classes,
                    [unit / "train.h5"],
                    table,
                    fold,
                    model.parent,
                    settings.model_dump_json(),
                    init_from=start,
                )
                train(run, no_progress)
            start = model
        held_out = table.loc[table["fold"] == fold, "ID"].tolist()
        found = world_members.members(fold_model(study, task, fold), unit / "train.h5", held_out, negative)
        out_of_fold.append(found | {"fold": np.full(len(found["id"]), fold)})
    world_members.save(task.folder(study) / "oof.npz", world_members.joined(out_of_fold))
    found = world_members.members(
        fold_model(study, task, 1), unit / "test.h5", ids(unit / "test.h5"), negative
    )
    world_members.save(task.folder(study) / "test.npz", found)


def ids(store: Path) -> list[str]:
    """IDs of the fields of a shard."""
    return world_members.ShardReader([store]).ids


def out_of_fold(study: dict, task: Task) -> world_members.Members:
    """Out-of-fold predictions of the base."""
    return world_members.load(task._replace(kind="base", name="stages").folder(study) / "oof.npz")


def do_pupil(study: dict, task: Task) -> None:
    """Train the pupil of fold 1, on the cells of fold 2, and write its step 2 of the test fields."""
    world, unit = study["worlds"][task.world], task.unit(study)
    recipe = {**study["pupil"], **study["pupils"][task.name]}
    labels = label_table(unit / "train.h5", world_classes(world))
    oof = out_of_fold(study, task)
    targets = recipe_targets(oof, labels, recipe, negative_of(world))
    size = study["training"]["input"]["field_size"]

    def taught(fold: int, targets: np.ndarray, place: str) -> Path:
        """Pupil of a fold: it learns from the cells of the other."""
        there = oof["fold"] != fold
        crops = Crops(unit / "train.h5", oof["id"][there], oof["cell"][there], size)
        output = task.folder(study) / place
        if (output / MODEL).exists():
            return output / MODEL
        train_pupil(fold_model(study, task, fold), output, crops, targets[there], recipe, seed=task.seed)
        return output / MODEL

    if recipe.get("rounds", 1) == 2:
        # The second round learns from the pupil of the first that held out the fold of its cells.
        second = taught(2, targets, "round1-fold2")
        held_out = {k: v[oof["fold"] == 2] for k, v in oof.items()}
        again = world_members.of_crops(second, unit / "train.h5", dict.fromkeys(held_out["id"]))
        oof = held_out | {"step2": again["step2"]}
        targets = recipe_targets(oof, labels, recipe | {"teachers": ["step2"]}, negative_of(world))
    model = taught(1, targets, "fold1")
    if task.name == next(iter(study["pupils"])):
        held_out = dict.fromkeys(oof["id"][oof["fold"] == 1])
        world_members.save(
            task.folder(study) / "oof.npz", world_members.of_crops(model, unit / "train.h5", held_out)
        )
    world_members.save(
        task.folder(study) / "test.npz",
        world_members.of_crops(model, unit / "test.h5", ids(unit / "test.h5")),
    )


def do_technique(study: dict, task: Task) -> None:
    """Fine-tune stage 1 of fold 1 with a technique, and write all readings of the test fields."""
    world, unit, how = study["worlds"][task.world], task.unit(study), study["techniques"]
    how = {**how, **how["variants"][task.name]}
    classes, negative = world_classes(world), negative_of(world)
    oof = out_of_fold(study, task)
    table = {k: v[oof["fold"] == 2] for k, v in oof.items()}
    targets = recipe_targets(table, label_table(unit / "train.h5", classes), study["pupil"], negative)
    size = study["training"]["input"]["field_size"]
    material = training_material(unit / "train.h5", classes, (table, targets), size, negative)
    output = task.folder(study)
    train_technique(
        fold_model(study, task, 1, 0),
        output,
        how["technique"],
        material,
        steps=how["steps"],
        batch=how["batch"],
        rate=how["rate"],
        seed=task.seed,
    )
    found = world_members.members(output / MODEL, unit / "test.h5", ids(unit / "test.h5"), negative)
    world_members.save(output / "test.npz", found)
