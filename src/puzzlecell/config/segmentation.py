"""Settings of the segmentation and the quality columns of the cell table."""

from typing import Literal

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from puzzlecell.config.base import Section
from puzzlecell.config.labelling import LabellingSettings
from puzzlecell.config.messages import nearest
from puzzlecell.config.segmenters import (
    CellposeSettings,
    ClassicalSettings,
    HpaCellSegSettings,
    HpaDpnSettings,
    MasksSettings,
    SegmenterSection,
)


class QualitySettings(Section):
    """Thresholds of `border_quality` and `outlier_quality` in the cell table (rules of CroDoc, fourth in HPA 2021).

    The border ratio of a nucleus is 1 - (length along which the field's border cuts it / side of its bounding box along
    that border): 1 for a whole nucleus, near 0 for one cut at its widest.
    """

    border_full: float = Field(
        0.3, ge=0, le=1, description="Border ratio above which a nucleus has border quality 1."
    )
    border_none: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Border ratio up to which a nucleus has border quality `border_floor`; from here to `border_full` "
        "the quality is (ratio / border_full)^0.1.",
    )
    border_floor: float = Field(
        0.001,
        ge=0,
        le=1,
        description="Border quality of a nucleus that the field's border cuts at its widest, so that at most about "
        "half of it is inside.",
    )
    no_nucleus: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Border quality of a cell without a nucleus, or without any blue signal in its nucleus.",
    )
    red_fraction: float = Field(
        0.077,
        ge=0,
        description="A cell is an outlier if its summed red intensity is below this fraction of the mean over the "
        "cells of its field with a usable nucleus.",
    )
    blue_yellow_fraction: float = Field(
        0.05,
        ge=0,
        description="A cell is an outlier if the product of its summed blue and its summed yellow intensity is below "
        "this fraction of the mean over the cells of its field with a usable nucleus.",
    )
    outlier: float = Field(
        0.001, ge=0, le=1, description="Outlier quality of an outlier; all other cells have 1."
    )

    @model_validator(mode="after")
    def _ordered(self) -> "QualitySettings":
        if self.border_none >= self.border_full:
            raise ValueError(
                f"border_none ({self.border_none}) must be below border_full ({self.border_full})"
            )
        return self


class SegmentationSettings(Section):
    """Segmentation of fields into label images of cells and nuclei."""

    # Each setting whose section is a `SegmenterSection` registers a segmenter under its name.

    method: str = Field(
        "classical", description="Name of the segmenter; its settings are in the section of that name."
    )
    source: Literal["store", "raw"] = Field(
        "store", description="Segment the stored fields, or the raw files at full resolution."
    )
    size: int | None = Field(
        None,
        ge=16,
        description="Side of the stored label images in pixels; with `source: store`, fields are also segmented at "
        "this size. null: the size of the stored fields.",
    )
    classical: ClassicalSettings = ClassicalSettings()
    hpa_dpn: HpaDpnSettings = HpaDpnSettings()
    hpacellseg: HpaCellSegSettings = HpaCellSegSettings()
    cellpose: CellposeSettings = CellposeSettings()
    masks: MasksSettings = MasksSettings()
    labelling: LabellingSettings = Field(
        LabellingSettings(),
        description="For `hpa_dpn` and `hpacellseg`: conversion of the networks' output to label images.",
    )
    quality: QualitySettings = QualitySettings()

    @classmethod
    def segmenters(cls) -> list[str]:
        """Names of all segmenters."""
        kinds = {name: field.annotation for name, field in cls.model_fields.items()}
        return [
            name
            for name, kind in kinds.items()
            if isinstance(kind, type) and issubclass(kind, SegmenterSection)
        ]

    @property
    def chosen(self) -> SegmenterSection:
        """Settings of the chosen segmenter."""
        return getattr(self, self.method)

    @field_validator("method")
    @classmethod
    def _known(cls, method: str) -> str:
        if method not in cls.segmenters():
            raise ValueError(f"there is no segmenter {method!r}{nearest(method, cls.segmenters())}")
        return method

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        handler.resolve_ref_schema(schema)["properties"]["method"]["enum"] = cls.segmenters()
        return schema
