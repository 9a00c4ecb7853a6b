"""Data sets that look wrong although nothing failed: fields without cells, impossible nuclei, constant channels."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.data.field_summary import Summary
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.errors import UserError
from puzzlecell.runtime.messages import first_few

TYPICAL_UM = 15
"""Diameter of a common nucleus in culture: the medians of fields of the Human Protein Atlas are 12 to 20 um."""

log = logging.getLogger(__name__)


class ImplausibleError(UserError):
    """Too many fields of a data set are implausible; the message says how many, the likely cause and the settings."""


@dataclass(frozen=True)
class Finding:
    """Something that looks wrong: a row of `results/warnings.csv`. ID: the field, "" for a whole data set."""

    dataset: str
    ID: str
    what: str


def kinds(summary: Summary, settings: PlausibilitySettings) -> pd.DataFrame:
    """What is wrong with each field: index ID, bool columns `empty, size, spanning, red, green, blue, yellow`.

    empty: segmented, but without cells. size: the median nucleus is too small or too large. spanning: a cell touches
    all four borders. The others: the channel is nearly constant.
    """
    fields = summary.fields
    nucleus_um = fields["nucleus_px"] * fields["pixel_um"]
    smallest, largest = field_limits(settings)
    found = {
        "empty": fields["segmented"] & (fields["reason"] != ""),
        "size": (nucleus_um < smallest) | (nucleus_um > largest),
        "spanning": fields["spanning"],
    }
    return pd.DataFrame(found | {name: fields[name] < settings.min_contrast for name in CHANNELS})


def field_limits(settings: PlausibilitySettings) -> tuple[float, float]:
    """Smallest and largest plausible median diameter of the nuclei of a single field, in micrometres."""
    smallest, largest = settings.nucleus_um
    return smallest / settings.field_tolerance, largest * settings.field_tolerance


def implausible(wrong: pd.DataFrame) -> pd.Series:
    """Whether each field is implausible, from the table of `kinds`. Constant red or yellow alone does not count."""
    return wrong[["empty", "size", "spanning", "blue", "green"]].any(axis=1)


def field_findings(summary: Summary, settings: PlausibilitySettings) -> list[Finding]:
    """All findings about single fields, in the order of the fields; one row per field.

    A red or yellow channel that is black in all fields is a finding about the data set only.
    """
    wrong = kinds(summary, settings)
    if len(wrong) > 1:
        wrong = wrong.assign(
            **{name: False for name in ("red", "yellow") if (summary.fields[name] == 0).all()}
        )
    chosen = wrong.any(axis=1)
    smallest, largest = field_limits(settings)
    findings = []
    for field, flags in zip(
        summary.fields[chosen].itertuples(), wrong[chosen].itertuples(index=False), strict=True
    ):
        parts = []
        if flags.empty:
            parts.append(f"no cell: {field.reason}")
        if flags.size:
            parts.append(
                f"the median nucleus is {field.nucleus_px * field.pixel_um:.3g} um wide, "
                f"expected {smallest:.3g} to {largest:.3g}"
            )
        if flags.spanning:
            parts.append("a cell touches all four borders")
        for name in CHANNELS:
            if getattr(flags, name):
                parts.append(f"the {name} channel is nearly constant: {_levels(getattr(field, name))}")
        findings.append(Finding(summary.dataset, str(field.Index), "; ".join(parts)))
    return findings


def dataset_findings(summary: Summary, settings: PlausibilitySettings) -> list[Finding]:
    """Findings about the data set as a whole: what is wrong with most of its fields, and the size of its nuclei."""
    return [Finding(summary.dataset, "", what) for what in _of_dataset(summary, settings)]


def check(summary: Summary, settings: PlausibilitySettings, min_fields: int = 1) -> None:
    """Raise ImplausibleError if more than the fraction `max_implausible` of the fields is implausible.

    Fewer than `min_fields` fields are not judged.
    """
    wrong = kinds(summary, settings)
    found, total = int(implausible(wrong).sum()), len(wrong)
    if total < min_fields or found <= settings.max_implausible * total:
        return
    reasons = list(_of_dataset(summary, settings)) or _counts(wrong)
    raise ImplausibleError(
        "\n".join(
            [
                f"data set {summary.dataset}: {found} of {total} fields look wrong; "
                f"plausibility.max_implausible permits a fraction of {settings.max_implausible:g}",
                *(f"  {reason}" for reason in reasons),
                "  if the fields are right all the same, set plausibility.max_implausible: 1",
            ]
        )
    )


def warn(summary: Summary, settings: PlausibilitySettings) -> None:
    """Log what looks wrong, at the end of a job: a warning for each finding about all fields, and one for the rest."""
    for finding in dataset_findings(summary, settings):
        log.warning("%s: %s", summary.dataset, finding.what)
    wrong = kinds(summary, settings)
    rest = _counts(wrong.loc[:, wrong.mean() <= settings.warn_above])
    if rest:
        log.warning("%s: %s", summary.dataset, "; ".join(rest))


def _of_dataset(summary: Summary, settings: PlausibilitySettings) -> Iterator[str]:
    wrong, fields = kinds(summary, settings), summary.fields
    segmented = int(fields["segmented"].sum())
    empty, spanning, size = (int(wrong[name].sum()) for name in ("empty", "spanning", "size"))
    if empty > settings.warn_above * segmented:
        reasons = fields.loc[wrong["empty"], "reason"].value_counts()
        such_as = "" if len(reasons) == 1 else "mostly: " if reasons.iloc[0] > empty / 2 else "such as: "
        dark = int((wrong["empty"] & wrong["blue"]).sum())
        cause = (
            _size_hint(summary) if dark <= empty / 2 else "their blue channel, the nuclei, is nearly constant"
        )
        yield f"{empty} of {segmented} fields have no cell ({such_as}{reasons.index[0]}); {cause}"
    middle = float(np.median(summary.nuclei_um)) if len(summary.nuclei_um) else np.nan
    if not np.isnan(middle) and not settings.nucleus_um[0] <= middle <= settings.nucleus_um[1]:
        yield (
            f"the median nucleus is {middle:.3g} um wide, expected {settings.nucleus_um[0]:g} to "
            f"{settings.nucleus_um[1]:g} (plausibility.nucleus_um); {_size_hint(summary)}"
        )
    elif size > settings.warn_above * segmented:
        yield f"in {size} of {segmented} fields the nuclei have an impossible size; {_size_hint(summary)}"
    yield from _contradiction(summary)
    if spanning > settings.warn_above * segmented:
        yield f"in {spanning} of {segmented} fields a cell touches all four borders; {_size_hint(summary)}"
    for name in CHANNELS:
        flat = wrong[name]
        if flat.sum() > settings.warn_above * len(fields):
            yield (
                f"in {int(flat.sum())} of {len(fields)} fields the {name} channel is nearly constant: "
                f"{_levels(fields.loc[flat, name].max(), 'at most ')}{_depth_hint(fields.loc[flat, 'white'])}"
            )

    for note, count in fields["note"].value_counts().items():
        if note:
            yield f"{count} of {len(fields)} fields have {note}"


def _counts(wrong: pd.DataFrame) -> list[str]:
    """For each kind that occurs, in how many fields, and the first of them. wrong: columns of the table of `kinds`."""
    texts = {
        "empty": "no cell",
        "size": "nuclei of an impossible size",
        "spanning": "a cell that touches all four borders",
        **{name: f"a nearly constant {name} channel" for name in CHANNELS},
    }
    return [
        f"{texts[kind]} in {wrong[kind].sum()} of {len(wrong)} fields: {first_few(wrong.index[wrong[kind]], 3)}"
        for kind in wrong
        if wrong[kind].any()
    ]


def _size_hint(summary: Summary) -> str:
    hint = f"{_place(summary)} may be wrong: it is {_used(summary)}"
    if len(summary.nuclei_px):
        wide = float(np.median(summary.nuclei_px))
        hint += (
            f", and the median nucleus found is {wide:.0f} pixels wide, so {TYPICAL_UM / wide:.2g} would "
            f"make it {TYPICAL_UM} um wide"
        )
    return hint


def _contradiction(summary: Summary) -> Iterator[str]:
    """Say where the metadata of the images gives another pixel size than what is stated."""
    other = summary.fields[summary.fields["contradicted"]]
    if len(other):
        yield (
            f"the metadata of the images of {len(other)} of {len(summary.fields)} fields gives another pixel size, "
            f"such as {other['metadata_um'].iloc[0]:.4g} um for {other.index[0]}, but {_place(summary)} says "
            f"{other['pixel_um'].iloc[0]:.4g}, which is used"
        )


def _place(summary: Summary) -> str:
    """What states the pixel size: the table of images, or the setting."""
    if summary.stated.by_field:
        return f"pixel_size_um in the table of images of {summary.dataset}"
    return f"datasets.{summary.dataset}.pixel_size_um"


def _used(summary: Summary) -> str:
    """The pixel size that was used, or the smallest and the largest, and where it comes from if nothing is stated."""
    sizes = summary.fields["pixel_um"]
    low, high = sizes.min(), sizes.max()
    text = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    if np.isnan(summary.stated.stated(summary.fields.index)).all():
        return f"{text}, {'the default' if summary.fields['metadata_um'].isna().all() else 'that of the metadata'}"
    return text


def _depth_hint(white: pd.Series) -> str:
    """What may be wrong if intensities were divided by 65535; other settings of the intensity know their range."""
    if (white == 65535).mean() <= 0.5:
        return ""
    return "; 16-bit intensities are divided by 65535: if the files have fewer bits, set ingest.intensity"


def _levels(levels: float, most: str = "") -> str:
    return f"{most}{levels:.0f} of 255 grey levels from its darkest to its brightest pixel"
