"""Settings of the label tables."""

from typing import Literal

from pydantic import Field

from puzzlecell.config.base import Section

WithoutClass = Literal["error", "leave_out"]


class LabelSettings(Section):
    """How the tables of labels are read."""

    without_class: WithoutClass = Field(
        "error",
        description="What to do with a location of the Human Protein Atlas that has no class in the class table, such "
        "as Midbody: `error` refuses the table, `leave_out` reads the other locations of the field. A field that has "
        "only such locations is left out of training and folds. How many were left out is in the log.",
    )
