"""Settings of the choice of members for each class."""

from pydantic import Field

from puzzlecell.config.base import Section


class MemberChoiceSettings(Section):
    """Choice, for each class, of the members that it trusts, on out-of-fold predictions for cells with known classes.

    It is made on request, by the target `member_weights`, and applied by pasting it into the configuration.
    """

    standard_errors: float = Field(
        2.0,
        ge=0,
        le=10,
        description="A class keeps the members of the configuration unless others are better by more than this number "
        "of standard errors of the difference, from `score.bootstrap` samples of fields.",
    )
    least_gain: float = Field(
        0.01,
        ge=0,
        le=1,
        description="A class keeps the members of the configuration unless the gain in average precision is larger "
        "than this.",
    )
    least_cells: int = Field(
        20,
        ge=1,
        description="A class that is shown by fewer cells keeps the members of the configuration.",
    )
