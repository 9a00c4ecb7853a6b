"""Tables of the study over worlds: every average precision, and means over seeds and worlds."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import world_members
from scipy.stats import t
from world_fields import negative_of
from world_members import Members
from world_readings import DEFAULT, PUPILS, READINGS, SINGLE, precisions, reading, trusted
from world_tasks import Task, tasks

from puzzlecell.runtime.atomic import written_whole

MARGINS = (0.0, 0.02, 0.05)


def scores(study: dict) -> pd.DataFrame:
    """One row per world, seed and reading: `world, seed, kind, name, reading, map, ap00 ...`, of all finished tasks."""
    rows = []
    for task in tasks(study):
        if task.done(study):
            for name, found in score_of(study, task):
                rows.append(
                    {
                        **task._asdict(),
                        "reading": name,
                        "map": np.nanmean(found),
                        **{f"ap{number:02d}": value for number, value in enumerate(found)},
                    }
                )
    return pd.DataFrame(rows)


def score_of(study: dict, task: Task) -> Iterator[tuple[str, np.ndarray]]:
    """Names of the readings of a task, and the average precision of each class."""
    negative = negative_of(study["worlds"][task.world])
    base = task._replace(kind="base", name="stages").folder(study)
    test = world_members.load(base / "test.npz")
    truth = test["truth"]
    singles = dict(SINGLE)
    readings = {DEFAULT: READINGS[DEFAULT]}
    if task.kind == "base":
        oof = world_members.load(base / "oof.npz")
        readings = READINGS
        yield from trusting(oof, test, negative, ("step1", "step2"), list(SINGLE.values()))
    elif task.kind == "pupil":
        test["pupil"] = world_members.load(task.folder(study) / "test.npz")["step2"]
        singles = {"pupil": "pupil"}
        if (task.folder(study) / "oof.npz").exists():
            oof = world_members.load(base / "oof.npz")
            taught = world_members.load(task.folder(study) / "oof.npz")
            first = {k: v[oof["fold"] == 1] for k, v in oof.items()} | {"pupil": taught["step2"]}
            yield from trusting(first, test, negative, ("step1", "pupil"), [*SINGLE.values(), "pupil"])
        readings = PUPILS if task.name == next(iter(study["pupils"])) else dict(list(PUPILS.items())[:1])
    else:
        test = world_members.load(task.folder(study) / "test.npz")
    for name, key in singles.items():
        yield name, precisions(truth, test[key])
    for name, how in readings.items():
        yield name, precisions(truth, reading(test, negative, **how))


def trusting(
    oof: Members, test: Members, negative: int | None, steps: Sequence[str], singles: Sequence[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Readings in which classes trust single readings, chosen out of fold."""
    for margin in MARGINS:
        values, _ = trusted(oof, test, negative, margin, steps=steps, singles=singles)
        yield f"by class, out of fold better by {margin:g}", precisions(test["truth"], values)


def spread_table(study: dict, found: pd.DataFrame, key: str, control: str) -> list[str]:
    """Markdown: rows by `key`, the mean and deviation over seeds in each world, and the difference to a control.

    The interval (95 %) is that of Student's t over the pairs of world and seed that both have; worlds that are kept
    out stand in the last columns and count in no mean.
    """
    kept_out = [name for name, world in study["worlds"].items() if world.get("kept_out")]
    worlds = [name for name in study["worlds"] if name not in kept_out]
    values = found.pivot_table(index=["world", "seed"], columns=key, values="map", sort=False)
    counted = values[values.index.get_level_values("world").isin(worlds)]
    lines = [
        f"| {key} | {' | '.join([*worlds, 'mean', f'difference to {control}', *kept_out])} |",
        "|" + "---|" * (len(worlds) + len(kept_out) + 3),
    ]
    for name in values:
        cells = [cell(values[name], world) for world in worlds]
        pairs = (counted[name] - counted[control]).dropna()
        mean = counted[name].groupby("world").mean().mean()
        difference = "" if name == control else interval(pairs.to_numpy())
        cells += [f"{mean:.3f}", difference, *(cell(values[name], world) for world in kept_out)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def cell(values: pd.Series, world: str) -> str:
    """Mean and standard deviation over the seeds of a world."""
    if world not in values.index.get_level_values("world"):
        return ""
    found = values.loc[world].dropna()
    if len(found) < 2:
        return "".join(f"{value:.3f}" for value in found)
    return f"{found.mean():.3f} ± {found.std():.3f}"


def interval(pairs: np.ndarray) -> str:
    """Mean of paired differences with its 95 % interval."""
    if len(pairs) < 2:
        return ""
    half = t.ppf(0.975, len(pairs) - 1) * pairs.std(ddof=1) / np.sqrt(len(pairs))
    return f"{pairs.mean():+.3f} ({pairs.mean() - half:+.3f} to {pairs.mean() + half:+.3f}; {len(pairs)})"


def class_table(study: dict, found: pd.DataFrame, ensemble: str, singles: Sequence[str]) -> list[str]:
    """Markdown: the classes of each world in which a single reading is above an ensemble on the mean over seeds."""
    lines = [f"| world | classes in which a single reading is above: {ensemble} |", "|---|---|"]
    first = next(iter(study["pupils"]))
    wanted = found[(found["kind"] == "base") | (found["name"] == first)]
    columns = [name for name in found if name.startswith("ap")]
    for world in study["worlds"]:
        rows = wanted[(wanted["world"] == world) & wanted["reading"].isin([ensemble, *singles])]
        means = rows.groupby("reading")[columns].mean().dropna(axis=1)
        if ensemble not in means.index:
            continue
        single = means.drop(index=ensemble)
        above = (single.max() - means.loc[ensemble]).sort_values(ascending=False)
        texts = [
            f"{int(name[2:])}: {single[name].idxmax()} {single[name].max():.2f}, {means.loc[ensemble, name]:.2f}"
            for name in above[above > 0.005].index
        ]
        lines.append(f"| {world} | {'; '.join(texts)} |")
    return lines


def report(study: dict) -> str:
    """Write runs.csv and table.md, and return the latter."""
    found = scores(study)
    folder = Path(study["output"])
    with written_whole(folder / "runs.csv") as temporary:
        found.to_csv(temporary, index=False, float_format="%.5f")
    first, control = list(study["pupils"])[:2]
    parts = {
        "Readings": (found["kind"] == "base", "reading", DEFAULT),
        "With the pupil": (
            (found["kind"] == "pupil") & (found["name"] == first)
            | (found["reading"] == DEFAULT) & (found["kind"] == "base"),
            "reading",
            DEFAULT,
        ),
        "Recipes of the pupil: its step 2": (
            (found["kind"] == "pupil") & (found["reading"] == "pupil"),
            "name",
            control,
        ),
        "Recipes of the pupil: the ensemble with it in place of step 2": (
            (found["kind"] == "pupil") & (found["reading"] == "pupil in place of step 2"),
            "name",
            control,
        ),
    }
    for name in (DEFAULT, "step 1", "step 2", "broadcast"):
        chosen = (found["kind"] == "technique") & (found["reading"] == name)
        parts[f"Techniques: {name}"] = chosen, "name", next(iter(study["techniques"]["variants"]))
    lines = []
    for title, (rows, key, against) in parts.items():
        if rows.any() and (found[rows][key] == against).any():
            lines += [f"### {title}", "", *spread_table(study, found[rows], key, against), ""]
    lines += ["### Classes", "", *class_table(study, found, DEFAULT, list(SINGLE)), ""]
    lines += [*class_table(study, found, next(iter(PUPILS)), [*SINGLE, "pupil"]), ""]
    with written_whole(folder / "table.md") as temporary:
        temporary.write_text("\n".join(lines))
    return "\n".join(lines)
