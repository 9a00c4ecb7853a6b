"""Settings of the class activation maps that are kept as pictures."""

from collections.abc import Collection, Sequence

from pydantic import Field, model_validator

from puzzlecell.config.base import Section
from puzzlecell.config.messages import nearest


class CamSettings(Section):
    """Class activation maps of fields as pictures.

    They are made on request, by the target `cams`.
    """

    datasets: tuple[str, ...] | None = Field(
        None, description="Names of the data sets. null: those with the role test or holdout."
    )
    classes: tuple[str, ...] | None = Field(
        None,
        description="Names of the classes, the same for all fields. null: in each field, those that are called for one "
        "of its cells, or are the most probable class of one. Without calibration, a class is called at 0.5.",
    )
    fields: dict[str, tuple[str, ...]] = Field(
        {},
        description="IDs of the fields, by data set. Of data sets that are not named, all fields are taken.",
    )

    @model_validator(mode="after")
    def _check(self) -> "CamSettings":
        if self.datasets is not None:
            other = [name for name in self.fields if name not in self.datasets]
            if other:
                raise ValueError(f"fields: {', '.join(other)} is not one of the datasets of this section")
        return self


def cam_problems(settings: CamSettings, names: Sequence[str], datasets: Collection[str]) -> list[str]:
    """Classes and data sets of the section that do not exist."""
    return [
        *(
            f"cams.classes: no class {name!r}{nearest(name, names)}"
            for name in settings.classes or ()
            if name not in names
        ),
        *(
            f"cams.{key}: no data set {name!r}{nearest(name, datasets)}"
            for key, given in (("datasets", settings.datasets or ()), ("fields", settings.fields))
            for name in given
            if name not in datasets
        ),
    ]
