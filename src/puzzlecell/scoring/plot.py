"""Plot a score."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from puzzlecell.runtime.atomic import written_whole

LEGEND = {
    "broadcast": "probability of the field, for every cell",
    "step1": "step 1: maps under the cell",
    "step2": "step 2: crop of the cell",
    "ensemble": "ensemble",
}


def write_score_picture(
    path: str | os.PathLike,
    summary: Sequence[Mapping],
    classes: Mapping[str, np.ndarray],
    names: Sequence[str],
) -> None:
    """Plot the mean average precision of each prediction with its interval, and the average precision per class.

    summary: rows with `prediction, mean_ap, low, high`; classes: average precision (C,) of each prediction.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1, 2.2))
    means = np.array([row["mean_ap"] for row in summary])
    spread = np.array([[row["mean_ap"] - row["low"], row["high"] - row["mean_ap"]] for row in summary]).T
    colours = [f"C{number}" for number in range(len(summary))]
    left.bar([row["prediction"] for row in summary], means, color=colours, yerr=np.nan_to_num(spread).clip(0))
    left.set(ylim=(0, 1), ylabel="mean average precision", title="all classes")
    for label in left.get_xticklabels():
        label.set_rotation(30)
    places, height = np.arange(len(names)), 0.8 / len(summary)
    for number, (row, colour) in enumerate(zip(summary, colours, strict=True)):
        name = row["prediction"]
        right.barh(
            places + number * height,
            np.nan_to_num(classes[name]),
            height,
            color=colour,
            label=LEGEND.get(name, name),
        )
    right.set_yticks(places + 0.4 - height / 2, names)
    right.invert_yaxis()
    right.set(xlim=(0, 1), xlabel="average precision", title="each class")
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize="small")
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=110)
