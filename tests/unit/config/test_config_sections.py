import importlib
import pkgutil

import pytest
from pydantic import ValidationError

import puzzlecell.config
from puzzlecell.config.base import Section
from puzzlecell.config.segmenters import SegmenterSection

MODULES = [
    importlib.import_module(f"puzzlecell.config.{module.name}")
    for module in pkgutil.iter_modules(puzzlecell.config.__path__)
]
SECTIONS = {
    value.__name__: value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, type)
    and issubclass(value, Section)
    and value not in (Section, SegmenterSection)
    and not value.__name__.startswith("_")
}
REQUIRED = (
    "ChannelPlace",
    "Configuration",
    "DatasetSettings",
    "DownloadSettings",
    "EnsembleMember",
    "EnsembleSettings",
    "ModelSettings",
    "StageSettings",
    "SubCellSettings",
)


@pytest.mark.parametrize("section", SECTIONS.values())
def test_every_key_has_a_description(section):
    assert section.__doc__
    for name, field in section.model_fields.items():
        nested = isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        assert field.description or nested, f"{section.__name__}.{name}"


@pytest.mark.parametrize(
    ("section", "wrong"),
    [
        ("Step1Settings", {"quantile": 0}),
        ("LabelSettings", {"without_class": "drop"}),
        ("DownloadSettings", {"fields": "a.csv", "url": "http://host/{ID}.png"}),
        ("DownloadSettings", {"fields": "a.csv", "connections": 0}),
        ("DownloadSettings", {"fields": "a.csv", "channels": ["red", "green", "blue"]}),
        ("Step1Settings", {"max_classes": 0}),
        ("Step1Settings", {"batch": 4}),
        ("Step1Settings", {"tta": {"flips": True}}),
        ("Step2Settings", {"crop": 100}),
        ("Step2Settings", {"scale": "free"}),
        ("Step2Settings", {"margin": -1}),
        ("ScoreSettings", {"overlap": "masks"}),
        ("ScoreSettings", {"iou_threshold": 0}),
        ("SubmissionSettings", {"digits": 0}),
        ("MergeSettings", {"method": "mean"}),
        ("PlausibilitySettings", {"nucleus_um": [30, 4]}),
        ("PlausibilitySettings", {"nucleus_um": [-1, 4]}),
        ("PlausibilitySettings", {"nucleus_um": [4, float("inf")]}),
        ("PlausibilitySettings", {"nucleus_um": [float("nan"), 30]}),
        ("PlausibilitySettings", {"max_implausible": 1.1}),
        ("PlausibilitySettings", {"max_implausible": float("nan")}),
    ],
)
def test_wrong_values_are_refused(section, wrong):
    with pytest.raises(ValidationError):
        SECTIONS[section](**wrong)


@pytest.mark.parametrize("section", [section for name, section in SECTIONS.items() if name not in REQUIRED])
def test_settings_survive_a_round_trip(section):
    settings = section()
    assert section(**settings.model_dump()) == settings
    assert section(**settings.model_dump(mode="json")) == settings
