"""Picture of embeddings in two dimensions."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from puzzlecell.embedding.projection import Projection
from puzzlecell.formats.class_colours import GREY, Rgb
from puzzlecell.runtime.atomic import written_whole

NO_CLASS = "no class"
"""Name of cells whose probabilities are all 0."""
GAP = 2
"""Free pixels above and below a name; twice as many beside it."""


def write_picture(
    path: str | os.PathLike,
    found: Projection,
    names: Sequence[str],
    colours: Mapping[str, Rgb],
    title: str,
) -> None:
    """Write a PNG: a point for each cell, in the colour of its class, and the classes' names where their cells are.

    names: (n,) class of each cell. A name stands at the median of its cells or, if others are there, beside it, with a
    line to it, so that the picture can be read without its colours.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 8), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    classes, counts = np.unique(np.array(names, dtype=object), return_counts=True)
    # Rare classes are drawn last, over the others.
    order = np.argsort(-counts, kind="stable")
    member = np.array(names, dtype=object)
    size = float(np.clip(40_000 / len(member), 3, 30))
    for name in classes[order]:
        shade = np.array(colours.get(name, GREY)) / 255
        x, y = found.places[member == name].T
        # Pale colours are seen by their dark edges, also in grey.
        edge = {"edgecolors": [shade * 0.5], "linewidths": 0.08 * np.sqrt(size)}
        axes.scatter(x, y, s=size, facecolors=[shade], alpha=0.7, **edge)
    axes.set(xlabel=found.axes[0], ylabel=found.axes[1], title=title, xticks=[], yticks=[])
    canvas.draw()
    medians = {name: np.median(found.places[member == name], axis=0) for name in classes[order]}
    _write_names(axes, canvas, medians)
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _write_names(axes: Any, canvas: Any, places: Mapping[str, np.ndarray]) -> None:
    """Write names at their places, each moved to the nearest free place on rings around it."""
    from matplotlib.patheffects import withStroke
    from matplotlib.text import Text

    taken: list[np.ndarray] = []
    for name, place in places.items():
        text = axes.annotate(
            name,
            place,
            xytext=(0, 0),
            textcoords="offset pixels",
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold",
            arrowprops={"arrowstyle": "-", "color": "black", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0},
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
        # Without the line, which is a part of an annotation's own extent.
        text.update_positions(canvas.get_renderer())
        own = Text.get_window_extent(text, canvas.get_renderer())
        box = np.array([own.x0, own.y0, own.x1, own.y1]) + GAP * np.array([-2, -1, 2, 1])
        frame = axes.get_window_extent()
        shift = next(
            (
                move
                for move in _moves(own.height)
                if _inside(box + np.tile(move, 2), frame)
                and not any(_overlap(box + np.tile(move, 2), other) for other in taken)
            ),
            np.zeros(2),
        )
        text.set_position(shift)
        taken.append(box + np.tile(shift, 2))


def _moves(step: float) -> list[np.ndarray]:
    """Moves (x, y) in pixels, from none to far ones: 16 directions on each of 20 rings."""
    rings = [
        radius * step * np.array([2 * np.cos(angle), np.sin(angle)])
        for radius in range(1, 21)
        for angle in np.arange(16) * np.pi / 8
    ]
    return [np.zeros(2), *rings]


def _inside(box: np.ndarray, frame: Any) -> bool:
    return bool(box[0] >= frame.x0 and box[1] >= frame.y0 and box[2] <= frame.x1 and box[3] <= frame.y1)


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3])
