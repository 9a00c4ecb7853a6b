"""Settings of the viewer: which cells and fields get pictures, and of what kind."""

from pydantic import Field

from puzzlecell.config.base import Section


class ViewPictures(Section):
    """How many cells get a picture in the viewer; all cells are listed with their numbers and outlines.

    The numbers are for each class and data set, except that of `sample`. They are shared out evenly to the shards of a
    data set, rounded up. A cell that is chosen for several reasons has one picture.
    """

    confident: int = Field(
        500, ge=0, description="Cells with the highest probability of a class, per class and data set."
    )
    uncertain: int = Field(
        500,
        ge=0,
        description="Cells whose probability of a class is nearest to the threshold from which it is called (to 0.5 "
        "without a calibration), per class and data set.",
    )
    disagree: int = Field(
        500,
        ge=0,
        description="Cells about which step 1 and step 2 differ most, per most probable class and data set.",
    )
    random: int = Field(
        2000, ge=0, description="Cells at random, per most probable class and data set; always the same ones."
    )
    sample: int = Field(
        2000, ge=0, description="Cells at random among all cells of a data set; always the same ones."
    )


class ViewSettings(Section):
    """The viewer `results/view/index.html`, which the target `view` makes.

    The job `view_budget` says what it takes on disk, in all, and each shard says its part before it is made.
    """

    datasets: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="Data sets that are shown. null: those of the roles test and holdout.",
    )
    pictures: ViewPictures = ViewPictures()
    fields: int = Field(
        2000, ge=0, description="Fields that get a picture, per data set, at random; always the same ones."
    )
    tile: int = Field(96, ge=16, le=512, description="Side of the picture of a cell in pixels.")
    field_tile: int = Field(
        512,
        ge=64,
        le=4000,
        description="Side of the picture of a field in pixels, at most that of stored fields (`ingest.size`).",
    )
    quality: int = Field(
        80, ge=1, le=100, description="Quality of the pictures, which are WebP: 100 is the best and largest."
    )
    details: bool = Field(
        True, description="Whether the probabilities of each step and each ensemble member are in the viewer."
    )
