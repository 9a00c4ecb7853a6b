"""Settings of the distance from the training fields."""

from typing import Literal

from pydantic import Field

from puzzlecell.config.base import Section

THIS_RUN = "this_run"


class UnlikeSettings(Section):
    """How unlike the training fields other fields and their cells are: the distance `unlike_training`.

    A network says nothing of use about fields that look unlike those that it was trained on. What the training fields
    looked like is kept in a file, `results/look/look.safetensors`; the target `training_look` makes it.
    """

    look: Literal["this_run"] | str | None = Field(
        None,
        description="What the training fields looked like: `this_run` makes the file from the training fields of this "
        "run, a path names that of the run that made the ready weights. null: no distance is computed.",
    )
    level: float = Field(
        0.99,
        ge=0.5,
        lt=1,
        description="Fraction of unseen training fields, and of their cells, whose distance is to be below 1.",
    )
    max_fields: int = Field(
        1000,
        ge=10,
        description="Number of held-out training fields from which the file is made; of more, this many are chosen by "
        "a checksum of their IDs.",
    )
