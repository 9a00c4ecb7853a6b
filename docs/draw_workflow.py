"""Draw docs/workflow.svg: the rules between raw fields and results, from Snakemake's own graph of them.

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
    "view": "view\nview/index.html",
    "export": "export\nfiles for other tools",
}
# Targets whose rules are drawn as one: the names of these rules begin with that of the target.
TOGETHER = ("view", "export")
COLOURS = {
    "simulate": "#f4e3c1",
    **dict.fromkeys(["ensemble", "submission", "score_cells", *TOGETHER], "#cfe8d5"),
}


def main() -> None:
    """Ask Snakemake for the rules of the default run and draw them from left to right."""
    targets = ["results/submission.csv", *TOGETHER]
    command = ["snakemake", "--rulegraph", "dot", "--quiet", "all", "--", *targets]
    graph = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rules = {number: drawn(rule) for number, rule in re.findall(r'(\d+)\[label = "(\w+)"', graph)}
    pairs = [(rules[a], rules[b]) for a, b in re.findall(r"(\d+) -> (\d+)", graph)]
    edges = [(a, b) for a, b in dict.fromkeys(pairs) if a != b]
    # A submission comes with its score, but is not made from it.
    edges.remove(("score_cells", "submission"))
    lines = [
        "digraph workflow {",
        'rankdir=LR; nodesep=0.25; ranksep=0.4; node [shape=box, style="rounded,filled", fillcolor="#e3ecf7",',
        'color="#5b7083", fontname="Helvetica", fontsize=12, margin="0.15,0.08"]; edge [color="#5b7083"];',
    ]
    for name in dict.fromkeys(rules.values()):
        label = LABELS[name].replace("\n", "\\n")
        lines.append(f'{name} [label="{label}", fillcolor="{COLOURS.get(name, "#e3ecf7")}"];')
    lines += [f"{a} -> {b};" for a, b in edges]
    reduced = subprocess.run(
        ["tred"], input="\n".join([*lines, "}"]), capture_output=True, text=True, check=True
    )
    target = Path(__file__).with_name("workflow.svg")
    subprocess.run(["dot", "-Tsvg", "-o", str(target)], input=reduced.stdout, text=True, check=True)


def drawn(rule: str) -> str:
    """Return the name under which a rule is drawn."""
    return next((name for name in TOGETHER if rule.startswith(name)), rule)


if __name__ == "__main__":
    main()
