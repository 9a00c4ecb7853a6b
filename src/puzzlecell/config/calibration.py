"""Settings of the calibration of cell probabilities and of the calls made of them."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from puzzlecell.config.base import Section
from puzzlecell.config.unlike import THIS_RUN

UNCERTAIN = "uncertain"
"""The call of a cell in which no class reaches its threshold."""
BETWEEN_CALLS = "|"
"""Between the names of the classes of a cell in the column `calls`."""


class CallSettings(Section):
    """Thresholds above which a class is called for a cell, chosen on the cells that the calibration is fitted on."""

    by: Literal["f1", "precision"] = Field(
        "f1",
        description="How the threshold of each class is chosen: `f1` takes the one with the best F1, `precision` the "
        "lowest one whose calls have the stated precision.",
    )
    precision: float = Field(
        0.9,
        gt=0,
        le=1,
        description="With `by: precision`: the fraction of a class's calls that are to be right.",
    )


class CalibrationSettings(Section):
    """Calibration of the ensemble's probabilities: of cells with a calibrated 0.8, four in five show the class.

    It is fitted on out-of-fold predictions for cells whose classes are known: those of training and holdout sets with
    `truth.csv`, and graded cells of other training sets; never on the labels of fields. The target `calibration` fits
    it.
    """

    file: Literal["this_run"] | str | None = Field(
        None,
        description="Calibration that is applied: `this_run` fits it on the cells of this run whose classes are known, "
        "a path names the `calibration.csv` of another run with the same ensemble. The table of cells then has the "
        "columns `c00 ...` and `calls`. null: none is applied.",
    )
    least_cells: int = Field(
        20,
        ge=2,
        description="A class with fewer cells that show it, or fewer that do not, is neither calibrated nor called.",
    )
    isotonic_from: int | None = Field(
        1000,
        ge=2,
        description="A class with at least this many cells that show it, and as many that do not, is calibrated by "
        "isotonic regression, which needs many cells; the others by Platt scaling. null: all by Platt scaling.",
    )
    bins: int = Field(
        10,
        ge=2,
        le=100,
        description="Number of bins of equal width over which the calibration error is computed.",
    )
    calls: CallSettings = CallSettings()

    @property
    def of_this_run(self) -> bool:
        """Whether the calibration of this run is applied."""
        return self.file == THIS_RUN


def call_name_problems(names: Iterable[str]) -> list[str]:
    """Classes that the column `calls` could not tell apart."""
    return [
        f"calibration: the class {name!r} cannot be called: its name has a {BETWEEN_CALLS!r} in it, which separates "
        f"the classes of a cell, or is {UNCERTAIN!r}; choose another"
        for name in names
        if BETWEEN_CALLS in name or name == UNCERTAIN
    ]
