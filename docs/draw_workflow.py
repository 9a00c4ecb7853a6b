"""Draw docs/workflow.svg: the rules between raw fields and submission, from Snakemake's own graph of them.

Run: python docs/draw_workflow.py (needs Graphviz: dot and tred)
"""

import re
import subprocess
from pathlib import Path

LABELS = {
    "simulate": "raw fields\n(four PNGs each, labels.csv)",
    "ingest": "ingest\nfields as HDF5",
    "split_folds": "folds\nstratified by class",
    "train": "train\nstage 1, 2, 3 of each fold",
    "features": "features\nof each field, once",
    "train_head": "train the classifier\non a frozen backbone",
    "train_cells": "train on cells\nof each fold",
    "oof_fold": "step 1 out of fold",
    "oof_step2": "step 2 out of fold",
    "targets": "targets\nof each training cell",
    "segment": "segment\ncells and nuclei",
    "step1": "step 1\nactivation maps under each cell",
    "step2": "step 2\ncrops of each cell",
    "ensemble": "ensemble\ncells/<data set>.parquet",
    "score_cells": "score\nif there is ground truth",
    "submission": "submission.csv",
}
COLOURS = {"simulate": "#f4e3c1", "ensemble": "#cfe8d5", "submission": "#cfe8d5", "score_cells": "#cfe8d5"}


def main() -> None:
    """Ask Snakemake for the rules of the default run and draw them from left to right."""
    command = ["snakemake", "--rulegraph", "dot", "--quiet", "all", "--", "results/submission.csv"]
    graph = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = dict(re.findall(r'(\d+)\[label = "(\w+)"', graph))
    edges = [(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", graph) if a != b]
    # A submission comes with its score, but is not made from it.
    edges.remove(("score_cells", "submission"))
    lines = [
        "digraph workflow {",
        'rankdir=LR; nodesep=0.25; ranksep=0.4; node [shape=box, style="rounded,filled", fillcolor="#e3ecf7",',
        'color="#5b7083", fontname="Helvetica", fontsize=12, margin="0.15,0.08"]; edge [color="#5b7083"];',
    ]
    for name in names.values():
        label = LABELS[name].replace("\n", "\\n")
        lines.append(f'{name} [label="{label}", fillcolor="{COLOURS.get(name, "#e3ecf7")}"];')
    lines += [f"{a} -> {b};" for a, b in edges]
    reduced = subprocess.run(
        ["tred"], input="\n".join([*lines, "}"]), capture_output=True, text=True, check=True
    )
    target = Path(__file__).with_name("workflow.svg")
    subprocess.run(["dot", "-Tsvg", "-o", str(target)], input=reduced.stdout, text=True, check=True)


if __name__ == "__main__":
    main()
