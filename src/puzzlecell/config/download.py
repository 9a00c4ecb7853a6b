"""Settings of a data set whose raw fields are downloaded."""

import string

from pydantic import Field, field_validator

from puzzlecell.config.base import NO_EFFECT, Section

ATTRIBUTION = (
    "Images: Human Protein Atlas, https://www.proteinatlas.org. Licence and how to cite: "
    "https://www.proteinatlas.org/about/licence (the terms differ between releases; those of the release that the "
    "images come from hold)."
)


class DownloadSettings(Section):
    """Where raw fields come from, for `snakemake download`."""

    fields: str = Field(
        description="Which fields: a CSV or TSV with a column `ID`, or a column `Image` with the URL of each field up "
        "to its `_<channel>`, as in kaggle_2021.tsv; or the XML of the Human Protein Atlas, of one gene or of all "
        "(proteinatlas.xml.gz). A path or a URL. The columns `Label`, `antibody`, `gene`, `cell_line` and `well` are "
        "kept in the label table."
    )
    url: str = Field(
        "{base}_{channel}.jpg",
        description="URL of an image. `{base}` is the URL in the column `Image` or in the XML; `{ID}`, `{channel}` and "
        "the name of any column in braces stand for their values. Images are saved as `images/<ID>_<channel>` with the "
        "ending of the URL.",
    )
    locations: str | None = Field(
        None,
        description="Table subcellular_location.tsv of the Human Protein Atlas: labels by gene (column `gene` of "
        "`fields`: its Ensembl ID or its name) for a table of fields without labels.",
    )
    channels: tuple[str, str, str, str] = Field(
        ("red", "green", "blue", "yellow"),
        description="What `{channel}` stands for in the URLs of the red, green, blue and yellow channel.",
    )
    max_failed: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of the fields that may be missing at the end; they are left out of the label table.",
    )
    attribution: str = Field(
        ATTRIBUTION, description="Text that is kept beside the images: their source, their licence."
    )
    connections: int = Field(
        4, ge=1, le=32, description="Files that are fetched at the same time.", json_schema_extra=NO_EFFECT
    )
    attempts: int = Field(6, ge=1, le=100, description="Attempts for each file.", json_schema_extra=NO_EFFECT)
    wait_s: float = Field(
        2.0,
        ge=0,
        le=600,
        description="Seconds before the second attempt; doubled for each further one. A server that says how long to "
        "wait (Retry-After) is obeyed.",
        json_schema_extra=NO_EFFECT,
    )
    timeout_s: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="Seconds without any data after which an attempt has failed.",
        json_schema_extra=NO_EFFECT,
    )

    @field_validator("url")
    @classmethod
    def _names_the_channel(cls, url: str) -> str:
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(url) if name is not None]
        except ValueError as error:
            raise ValueError(f"{url!r}: {error}; expected names in braces, such as {{ID}}") from error
        if not all(names):
            raise ValueError(f"{url!r} has braces without a name; expected names in them, such as {{ID}}")
        if "{channel}" not in url:
            raise ValueError(f"{url!r} does not contain {{channel}}, so all channels would be the same file")
        return url
