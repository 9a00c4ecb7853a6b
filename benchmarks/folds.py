"""The folds of a large data set, beside plain iterative-stratification: time, and that the rows are the same.

Plain is MultilabelStratifiedKFold on a ready array of labels. Ours reads the label table, keeps groups and equal images
together, and writes folds, report and warnings. Labels are drawn at the frequencies of HPA 2021 from its classes.

    python benchmarks/folds.py [--fields 100000]
"""

import argparse
import logging
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

from puzzlecell.config.datasets import FoldSettings
from puzzlecell.data.fold_report import WELL
from puzzlecell.data.tables import read_csv, write_csv
from puzzlecell.data.write_folds import FoldFiles, write_folds

FRACTIONS = np.array(
    [40.3, 5.0, 11.2, 5.8, 6.5, 8.2, 3.6, 8.5, 4.4, 4.6, 3.8, 0.4, 8.0, 14.3, 9.2, 1.2, 26.1, 2.7, 0.2]
)
"""Percent of the 21,806 images of HPA 2021 that have each class."""


def main(fields: int) -> None:
    # Warnings of torn wells and unlike labels of equal images are right here, and beside the point.
    logging.disable()
    rng = np.random.default_rng(0)
    hot = rng.random((fields, len(FRACTIONS))) < FRACTIONS / 100
    hot[~hot.any(axis=1), 0] = True
    ids = [f"{n // 576}_{'ABCDEFGH'[n // 72 % 8]}{n // 6 % 12 + 1}_{n % 6}" for n in range(fields)]
    # One field in a hundred has the images of the one before.
    contents = [f"{n - (n % 100 == 99):016x}" for n in range(fields)]

    started = time.perf_counter()
    splitter = MultilabelStratifiedKFold(n_splits=4, shuffle=True, random_state=2020)
    plain = np.zeros(fields, int)
    for fold, (_, held_out) in enumerate(splitter.split(hot, hot), start=1):
        plain[held_out] = fold
    plain_s = time.perf_counter() - started
    print(f"{fields} fields, {len(FRACTIONS)} classes, 4 folds")
    print(f"plain iterative-stratification            {plain_s:6.1f} s")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = ["|".join(map(str, np.flatnonzero(row))) for row in hot]
        pd.DataFrame({"ID": ids, "Label": rows}).to_csv(folder / "labels.csv", index=False)
        classes = pd.DataFrame({"index": range(19), "name": [f"class {n}" for n in range(19)]})
        classes.to_csv(folder / "classes.csv", index=False)
        write_csv(folder / "contents.csv", pd.DataFrame({"ID": ids, "content": contents}))
        files = FoldFiles(*(folder / f"{kind}.csv" for kind in ("folds", "report", "warnings")))
        for title, group, tables in (
            ("ours, field by field", None, []),
            ("ours, with equal images", None, [folder / "contents.csv"]),
            ("ours, by well, and with equal images", WELL, [folder / "contents.csv"]),
        ):
            started = time.perf_counter()
            write_folds(
                files,
                train={"train": folder / "labels.csv"},
                additional={},
                contents=tables,
                classes=folder / "classes.csv",
                settings=FoldSettings(group=group),
            )
            seconds = time.perf_counter() - started
            same = (read_csv(files.folds)["fold"] == plain).all()
            equal = ", the same rows" if same else ""
            print(f"{title:40s}  {seconds:6.1f} s, {seconds / plain_s:4.2f} x plain{equal}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=100_000)
    main(parser.parse_args().fields)
