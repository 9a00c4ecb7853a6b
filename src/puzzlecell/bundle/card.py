"""The README of a bundle: what the model is, what it was trained on, how well it did, how to use it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from puzzlecell.bundle.settings import CALIBRATION, LICENCE

STAINS = {"red": "microtubules", "green": "the protein", "blue": "nuclei", "yellow": "endoplasmic reticulum"}


def card(facts: Mapping[str, Any]) -> str:
    """The README as Markdown, from the contents of a manifest."""
    return "\n".join(_lines(facts)) + "\n"


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    images, training = facts["images"], facts["training"]
    yield from [f"# {facts['name']}", ""]
    if facts["description"]:
        yield from [facts["description"], ""]
    yield from [
        f"Predicts {len(facts['classes'])} classes of protein localisation for each cell of a field. A bundle of "
        f"puzzlecell {facts['versions']['puzzlecell']}.",
        "",
        "## How to use it",
        "",
        "```",
        "puzzlecell predict IMAGES --model BUNDLE --output RESULTS",
        "```",
        "",
        "## Images",
        "",
    ]
    yield from _table(
        ["what", "value"], _image_rows(images, facts["settings"]["ingest"]["intensity"]["rule"])
    )
    yield from ["", "## Networks", "", f"{facts['folds']} networks, one per fold, for each stage:", ""]
    yield from _table(
        ["model", "stage", "backbone", "starting weights", "field (px)", "training crop (px)"],
        [
            [
                member["model"],
                member["stage"],
                member["network"].get("backbone", ""),
                _pretrained(member["network"].get("pretrained")),
                member["field_size"],
                member["crop_size"],
            ]
            for member in facts["members"]
        ],
    )
    yield from ["", "Members of the ensemble:", ""]
    members = facts["settings"]["ensemble"]["members"]
    yield from _table(
        ["model", "stage", "step", "weight"],
        [[m["model"], m["stage"], m["step"], f"{m['weight']:g}"] for m in members],
    )
    yield from ["", "## Training fields", ""]
    if training["datasets"]:
        yield from _table(
            ["data set", "role", "fields", "origin"],
            [
                [name, of["role"], of["fields"], "simulated" if of["simulated"] else "images"]
                for name, of in training["datasets"].items()
            ],
        )
        if all(of["simulated"] for of in training["datasets"].values()):
            yield from ["", "All of them are simulated: nothing says that the model works on real images."]
    else:
        yield "Not known: this bundle was made from ready weights."
    yield from ["", "## Scores", ""]
    yield from _scores(facts)
    if CALIBRATION in facts["carried"]:
        yield from [
            "",
            f"Cells also get calibrated probabilities and calls: [{CALIBRATION}]({CALIBRATION}) says on how many cells "
            "they rest, and how often the calls of each class are right.",
        ]
    yield from ["", "## Classes", ""]
    yield from _classes(facts["classes"], training["stages"])
    yield from ["", "## Licence", ""]
    if facts["licence"]:
        yield f"The licence of the weights is in [{LICENCE}]({LICENCE})."
    else:
        yield "No licence was given. Ask whoever gave you this bundle before you use it or pass it on."
    yield from [
        "",
        "Starting weights and training images may have licences of their own.",
        "",
        "## Files",
        "",
        "`manifest.json` lists size and SHA-256 of every file, and has a checksum of its own; `puzzlecell predict` "
        "compares them all and refuses a bundle that was damaged or changed. This finds accidents. It is no signature.",
    ]


def _image_rows(images: Mapping[str, Any], rule: str) -> list[list[object]]:
    stains = ", ".join(f"{name} ({STAINS.get(name, name)})" for name in images["channels"])
    rows: list[list[object]] = [["channels", stains]]
    if "pixel_size_um" in images:
        rows += [
            ["pixel size of the training fields", f"{_listed(images['pixel_size_um'])} um"],
            ["side of a training field (median)", f"{images['field_um']:g} um"],
            ["bits per pixel", _listed(images["bit_depth"])],
        ]
    else:
        rows.append(["pixel size of the training fields", "not known"])
    stored = f"{images['stored_size']} x {images['stored_size']} pixels"
    if "stored_pixel_um" in images:
        stored += f" of {images['stored_pixel_um']:.3g} um"
    return [*rows, ["fields are resized to", stored], ["intensity rule", rule]]


def _scores(facts: Mapping[str, Any]) -> Iterator[str]:
    if facts["scores"]:
        yield from ["Mean average precision per cell against ground truth, with its 95 % interval:", ""]
        yield from _table(
            ["data set", "prediction", "mean AP", "from", "to"],
            [
                [name, row["prediction"], *(_number(row.get(key)) for key in ("mean_ap", "low", "high"))]
                for name, rows in facts["scores"].items()
                for row in rows
            ],
        )
    else:
        yield "There was no ground truth per cell."
    stages = facts["training"]["stages"]
    if stages:
        yield from ["", "Mean over the classes of the average precision on held-out training fields:", ""]
        rows = []
        for stage in stages:
            known = [value for value in stage["average_precision"] if value is not None]
            mean = sum(known) / len(known) if known else None
            rows.append([stage["model"], stage["stage"], stage["fields"], _number(mean)])
        yield from _table(["model", "stage", "fields", "mean AP"], rows)


def _classes(classes: Sequence[str], stages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not stages:
        yield from _table(["index", "name"], [[index, name] for index, name in enumerate(classes)])
        return
    last = stages[-1]
    yield from [f"Fields with the class, and average precision on held-out fields, of {last['stage']}:", ""]
    yield from _table(
        ["index", "name", "training fields", "AP"],
        [
            [index, name, last["positives"][index], _number(last["average_precision"][index])]
            for index, name in enumerate(classes)
        ],
    )


def _pretrained(value: object) -> str:
    if value is False:
        return "random"
    return "of timm" if value is True else str(value)


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) and value == value else "-"


def _listed(values: Sequence[object]) -> str:
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(str(value).replace('|', chr(92) + '|') for value in row)} |"
