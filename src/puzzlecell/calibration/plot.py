"""Reliability diagrams."""

import math
import os
from collections.abc import Mapping, Sequence

import numpy as np

from puzzlecell.calibration.error import Reliability
from puzzlecell.runtime.atomic import written_whole

ACROSS = 5
STYLES = {"before": ("0.6", "as predicted"), "after": ("C0", "calibrated (on other folds)")}


def write_reliability_picture(
    path: str | os.PathLike, bins: Mapping[tuple[str, str], Reliability], names: Sequence[str]
) -> None:
    """Plot the fraction of cells that show a class against its mean probability, in a panel for each name.

    bins: reliability by name and `before` or `after`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    down = math.ceil(len(names) / ACROSS)
    figure = Figure(figsize=(2.6 * ACROSS, 2.75 * down + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(down, ACROSS, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        panel.plot([0, 1], [0, 1], color="0.85", linewidth=1, zorder=0)
        errors = []
        for when, (colour, label) in STYLES.items():
            found = bins[name, when]
            errors.append(found.error)
            ends = np.nan_to_num(np.abs(np.stack([found.low, found.high]) - found.observed))
            panel.errorbar(
                found.predicted,
                found.observed,
                yerr=ends if len(found.cells) else None,
                color=colour,
                label=label,
                marker="o",
                markersize=3,
                linewidth=1,
                elinewidth=0.6,
            )
        known = not np.isnan(errors).any()
        title = f"ECE {errors[0]:.3f} -> {errors[1]:.3f}" if known else "no known cells"
        panel.set_title(f"{name}\n{title}", fontsize="small")
        panel.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    figure.supxlabel("mean probability of the cells in a bin")
    figure.supylabel("fraction that shows the class")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=100)
