"""Settings of the segmentation and of the quality columns of the cell table."""

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
    """Thresholds of `border_quality` and `outlier_quality` (rules of CroDoc, HPA 2021, fourth place)."""

    border_full: float = Field(
        0.3, ge=0, le=1, description="Above this ratio a nucleus cut by the field's border counts in full."
    )
    border_none: float = Field(
        0.01, ge=0, le=1, description="Up to this ratio a nucleus cut by the border has `border_floor`."
    )
    border_floor: float = Field(0.001, ge=0, le=1, description="Quality of a nucleus at most half inside.")
    no_nucleus: float = Field(
        0.01, ge=0, le=1, description="Border quality of a cell without blue in its nucleus."
    )
    red_fraction: float = Field(
        0.077,
        ge=0,
        description="A cell whose sum of red is below this fraction of the field's mean is an outlier.",
    )
    blue_yellow_fraction: float = Field(
        0.05,
        ge=0,
        description="A cell whose sum of blue x sum of yellow is below this fraction of the mean is an "
        "outlier.",
    )
    outlier: float = Field(0.001, ge=0, le=1, description="Outlier quality of such a cell.")

    @model_validator(mode="after")
    def _ordered(self) -> "QualitySettings":
        if self.border_none >= self.border_full:
            raise ValueError(
                f"border_none ({self.border_none}) must be below border_full ({self.border_full})"
            )
        return self


class SegmentationSettings(Section):
    """How fields become label images of cells and nuclei.

    Each field whose section is a `SegmenterSection` registers a segmenter under its name.
    """

    method: str = Field("classical", description="Which segmenter finds the cells.")
    source: Literal["store", "raw"] = Field(
        "store", description="Segment the stored fields, or the raw files at their full size."
    )
    size: int | None = Field(
        None, ge=16, description="Side of the stored label images in pixels; null: that of the store."
    )
    classical: ClassicalSettings = ClassicalSettings()
    hpa_dpn: HpaDpnSettings = HpaDpnSettings()
    hpacellseg: HpaCellSegSettings = HpaCellSegSettings()
    cellpose: CellposeSettings = CellposeSettings()
    masks: MasksSettings = MasksSettings()
    labelling: LabellingSettings = Field(
        LabellingSettings(), description="For hpa_dpn and hpacellseg: from network output to labels."
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
