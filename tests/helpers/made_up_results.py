"""Results of a made-up run as a run writes them, and what the viewer makes of them."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from helpers.made_up_view import MadeUpView
from helpers.paths import ROOT

from puzzlecell.config.workflow import load_configuration
from puzzlecell.data.plausibility import Finding
from puzzlecell.data.tables import probability_columns, read_csv, write_csv, write_parquet
from puzzlecell.scoring.average_precision import Matches, average_precision
from puzzlecell.scoring.error_analysis import REASONS
from puzzlecell.viewer.chunks import write_chunk
from puzzlecell.viewer.confusion import confusion, most_probable
from puzzlecell.viewer.precision_recall import curve, thinned
from puzzlecell.viewer.segmented import segmentation_overview
from puzzlecell.viewer.summary import RunFiles, summary
from puzzlecell.viewer.warnings_chunk import write_warnings_chunk

SCORED = "holdout"
"""The data set with ground truth."""


@dataclass(frozen=True)
class Results:
    """Folder of a view that shows results, and the tables behind it: `results/<name>`."""

    folder: Path

    def table(self, name: str) -> pd.DataFrame:
        """A table of the results."""
        path = self.folder / "results" / name
        return read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)

    def content(self, name: str) -> dict:
        """Content of a chunk."""
        text = (self.folder / f"data/{name}.js").read_text()
        return json.loads(text[text.index("{") : text.rindex(")")])


def add_results(folder: Path, made_up: MadeUpView) -> Results:
    """Give a made-up view (a copy in `folder`) results of its data sets, and write what the viewer shows of them."""
    found = Results(folder)
    target, names = folder / "results", made_up.classes
    target.mkdir()
    answers, rejected = {}, {}
    for dataset, cells in made_up.cells.groupby("dataset", sort=False):
        write_parquet(target / f"{dataset}.parquet", _answer(cells, names, made_up))
        answers[dataset] = target / f"{dataset}.parquet"
        write_csv(
            target / f"{dataset}.rejected.csv", pd.DataFrame({"ID": ["<b>torn</b>"], "reason": "not a PNG"})
        )
        rejected[dataset] = [target / f"{dataset}.rejected.csv"]
        content = {"segmentation": _segmentation(cells)}
        if dataset == SCORED:
            content |= _scored(target, cells, names)
        write_chunk(folder / f"data/{dataset}/quality.js", f"{dataset}/quality", content, {})
    _write_history(target / "history.csv")
    _write_calibration(target, names)
    _write_graded_score(target / "graded.csv", names)
    files = RunFiles(
        answers=answers,
        scores={SCORED: target / "score.csv"},
        class_scores={SCORED: target / "classes.csv"},
        rejected=rejected,
        histories={("lite0", "stage1"): [target / "history.csv", target / "history.csv"]},
        graded={"test": target / "graded.csv"},
        calibration=target / "calibration.csv",
        reliability=target / "reliability.csv",
    )
    settings = load_configuration(yaml.safe_load((ROOT / "config/config.yaml").read_text()), files=False)
    run = found.content("run")
    run["summary"] = summary(files, settings, names, quality=list(answers), warned=True)
    del run["columns"]
    write_chunk(folder / "data/run.js", "run", run, {})
    findings = [Finding("test", "", f"the class {names[c]} is rare") for c in range(6)]
    findings.append(Finding("test", "a <i>field</i>", "dark"))
    write_warnings_chunk(folder / "data/warnings.js", findings)
    return found


def truth(cells: pd.DataFrame, classes: int) -> np.ndarray:
    """True classes (n, C) bool of cells of the made-up table."""
    return (cells["truth"].to_numpy(np.int64)[:, None] >> np.arange(classes) & 1) == 1


def values(cells: pd.DataFrame, classes: int) -> np.ndarray:
    """Probabilities (n, C) of cells of the made-up table."""
    return cells[[f"p{c}" for c in range(classes)]].to_numpy(np.float64)


def _answer(cells, names, made_up):
    table = pd.DataFrame(
        values(cells, len(names)).astype(np.float32), columns=probability_columns(len(names))
    )
    if cells["calibrated0"].notna().all():
        limits = np.array([0.3 + 0.02 * c for c in range(len(names))]).round(2)
        called = cells[[f"calibrated{c}" for c in range(len(names))]].to_numpy() >= limits
        texts = ["|".join(name for name, said in zip(names, row, strict=True) if said) for row in called]
        table["calls"] = [text or "uncertain" for text in texts]
    return table


def _segmentation(cells):
    table = cells.assign(border_quality=cells["quality"], outlier_quality=1.0)
    return segmentation_overview(table, list(dict.fromkeys(cells["ID"])), dict.fromkeys(cells["ID"], 0.32))


def _scored(target: Path, cells: pd.DataFrame, names) -> dict:
    """Write the score as if every cell were a true cell, and return curves, confusion and misses."""
    known = cells[cells["truth"] >= 0]
    shows, p = truth(known, len(names)), values(known, len(names))
    index = np.tile(np.arange(len(names)), len(known))
    order = np.argsort(-p.ravel(), kind="stable")
    hit, confidence, index = shows.ravel()[order], p.ravel()[order], index[order]
    matches = Matches(np.zeros(len(order), int), index, confidence, order, hit, shows.sum(0)[None])
    rows, curves, missed = [], [], []
    for c, name in enumerate(names):
        chosen = matches.index == c
        ap = average_precision(hit[chosen], shows[:, [c]].sum(0), np.ones((1, chosen.sum()), int))[0]
        count = int(shows[:, c].sum())
        low = known[shows[:, c] & (p[:, c] < 0.5)]
        reasons = dict.fromkeys(REASONS, 0) | {
            "no_cell": 1,
            "ranked_low": len(low),
            "found": count - 1 - len(low),
        }
        scores = {"ap": round(float(ap), 4), "low": 0.1, "high": 0.99}
        rows.append(
            {"class": c, "cells": count, "detections": len(known), "true": count, **scores, "name": name}
            | reasons
        )
        points = thinned(curve(matches, c)).round(5).tolist()
        curves.append(
            {
                "points": points,
                "working": 0.5,
                **scores,
                "cells": count,
                "detections": len(known),
                "true": count,
            }
            | reasons
        )
        missed += [
            [row.ID, c, 4, row.cell, 0.9, 0.3, [row.y0, row.x0, row.y1, row.x1]] for row in low.itertuples()
        ]
        missed.append([known["ID"].iloc[0], c, 1, 0, 0.0, None, [10, 20, 90, 120]])
    write_csv(target / "classes.csv", pd.DataFrame(rows).assign(prediction="ensemble"), digits=4)
    means = {"step1": 0.5, "step2": 0.6, "ensemble": float(np.mean([row["ap"] for row in rows]))}
    score = [
        {"prediction": name, "mean_ap": ap, "low": ap - 0.05, "high": ap + 0.05} for name, ap in means.items()
    ]
    write_csv(target / "score.csv", pd.DataFrame(score), digits=4)
    return {
        "curves": curves,
        "confusion": {"cells": len(known), "probable": confusion(shows, most_probable(p)).tolist()},
        "misses": {"reasons": list(REASONS), "most": 40, "cells": missed},
    }


def _write_history(path: Path) -> None:
    epochs = np.arange(1, 4)
    history = {"epoch": epochs, "train_loss": 1 / epochs, "loss": 1.1 / epochs, "map": 1 - 0.5 / epochs}
    write_csv(path, pd.DataFrame(history), digits=None)


def _write_graded_score(path: Path, names) -> None:
    """Of all graded cells and of the random queue, a row per class and one for the mean each."""
    tables = []
    for queue, first in (("all", 0.61), ("random", 0.41)):
        table = pd.DataFrame({"class": [*names, "mean"], "queue": queue, "cells": range(1, len(names) + 2)})
        for number, name in enumerate(("ap", "low", "high", "auc", "auc_low", "auc_high")):
            table[name] = first + number / 100
        tables.append(table)
    write_csv(path, pd.concat(tables), digits=4)


def _write_calibration(target: Path, names) -> None:
    table = pd.DataFrame(
        {"class": names, "method": "platt", "threshold": 0.4, "ece_before": 0.2, "ece_after": 0.05}
    )
    write_csv(target / "calibration.csv", table)
    bins = [
        {
            "class": name,
            "when": when,
            "bin": k,
            "cells": 10,
            "predicted": 0.2 + 0.3 * k,
            "observed": 0.1 + 0.3 * k,
        }
        for name in ("all", *names)
        for when in ("before", "after")
        for k in range(3)
    ]
    reliability = pd.DataFrame(bins)
    write_csv(
        target / "reliability.csv",
        reliability.assign(low=reliability["observed"] - 0.1, high=reliability["observed"] + 0.1),
    )
