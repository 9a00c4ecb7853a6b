"""SubCell as a further member of the ensemble of a bundle."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from puzzlecell.errors import UserError
from puzzlecell.network.subcell_file import read_subcell_file
from puzzlecell.runtime.atomic import written_whole

NAME = "subcell"
LOCATIONS = "subcell_locations.csv"
"""File in the folder of the run that says which class each location belongs to."""


def with_subcell(values: Mapping[str, Any], weights: Path) -> dict[str, Any]:
    """Configuration of a run with a bundle, `values`, and SubCell as one more member.

    SubCell is weighted as much as all others together, in each class. weights: file of `puzzlecell convert-subcell`.
    The calibration of the bundle is left out: it is that of its own ensemble. Raises UserError for a file that is not a
    SubCell network, and for a bundle with a model named `subcell`.
    """
    read_subcell_file(weights)
    if NAME in values["models"]:
        raise UserError(
            f"--subcell: the bundle has a model named {NAME} of its own; its name cannot be used twice"
        )
    ensemble = dict(values["ensemble"])
    member = {
        "model": NAME,
        **_as_all_together(ensemble["members"], ensemble.get("negative"), values.get("negative")),
    }
    ensemble["members"] = [*ensemble["members"], member]
    reader = {"kind": "subcell", "weights": str(weights.absolute()), "locations": LOCATIONS}
    found = {**values, "models": {**values["models"], NAME: {"cells": reader}}, "ensemble": ensemble}
    if "calibration" in values:
        found["calibration"] = {key: value for key, value in values["calibration"].items() if key != "file"}
    return found


def _as_all_together(
    members: Sequence[Mapping[str, Any]], rule: str | None, negative: str | None
) -> dict[str, Any]:
    """Weight of all members together, and their weights of single classes together.

    rule, negative: `ensemble.negative`, and the class that it is about; with `step2`, members of step 1 have no say in
    it.
    """
    plain = [member.get("weight", 1.0) for member in members]
    own = [member.get("classes", {}) for member in members]
    classes = {
        name: sum(given.get(name, weight) for given, weight in zip(own, plain, strict=True))
        for name in dict.fromkeys(name for given in own for name in given)
    }
    if rule == "step2" and negative is not None:
        classes[negative] = sum(
            given.get(negative, weight)
            for member, given, weight in zip(members, own, plain, strict=True)
            if member.get("step", 2) == 2
        )
    return {"weight": sum(plain), **({"classes": classes} if classes else {})}


def calibration_lost(values: Mapping[str, Any]) -> bool:
    """Whether the configuration `values` of a run with a bundle applies a calibration."""
    return bool(values.get("calibration", {}).get("file"))


def place_locations(source: Path, output: Path) -> None:
    """Copy the project's table of locations to the folder of the run; one that is there stays, as it may be edited."""
    target = output / LOCATIONS
    if not target.exists():
        with written_whole(target) as temporary:
            temporary.write_bytes(source.read_bytes())
