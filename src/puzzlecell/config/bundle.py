"""Settings of the bundle: a finished run as one folder or zip file, to be given away."""

from typing import Literal

from pydantic import Field

from puzzlecell.config.base import Section


class BundleSettings(Section):
    """The bundle that `snakemake bundle` makes of a run: its networks and all that is needed to use them."""

    name: str = Field("model", min_length=1, max_length=100, description="Name of the model, in its README.")
    description: str = Field("", description="What the model is for, in its README.")
    licence: str | None = Field(
        None,
        description="Path of a text file with the licence of the weights, which is copied into the bundle. null: the "
        "README says that none was given.",
    )
    form: Literal["folder", "zip"] = Field(
        "folder",
        description="What is written: the `folder` results/bundle or the `zip` file results/bundle.zip.",
    )
