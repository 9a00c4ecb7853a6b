"""Files of the configuration that jobs could not reach: in a run with a bucket, or on machines without these files."""

from collections.abc import Collection
from pathlib import PurePath

from puzzlecell.config.workflow import Configuration


def raw_data_here(settings: Configuration) -> list[str]:
    """Return one message per raw file of this machine in a run whose inputs and outputs are in a bucket."""
    return [
        f"datasets.{name}.{key}: {path} is on this machine, but this run keeps its files in a bucket; give a path "
        "below the bucket's prefix, or s3://bucket/folder"
        for name, dataset in settings.datasets.items()
        for key in ("path", "labels", "images", "truth", "cell_labels")
        for path in [getattr(dataset, key)]
        if path is not None and PurePath(path).is_absolute()
    ]


def unsent_files(settings: Configuration, sent: Collection[str]) -> list[str]:
    """Return one message per file that jobs read, in a run whose jobs get nothing but the files of the workflow.

    sent: paths of these files. An absolute path is taken to be that of a file on the machines of the jobs too.
    """
    classes = settings.classes
    problems = []
    if not PurePath(classes).is_absolute() and str(PurePath(classes)) not in sent:
        problems.append(
            f"classes: {classes} is not sent to the machines of the jobs, which get the files that git knows: run "
            f"`git add {classes}`"
        )
    cells = {
        f"datasets.{name}.simulate.cells_from": dataset.simulate.cells_from
        for name, dataset in settings.datasets.items()
        if dataset.simulate is not None and dataset.simulate.cells_from is not None
    }
    for place, path in [*cells.items(), *_weights(settings)]:
        if not PurePath(path).is_absolute():
            problems.append(
                f"{place}: {path} is not sent to the machines of the jobs; put it into the container image or on a "
                "volume, at an absolute path where this machine has it too, and give that path"
            )
    return problems


def _weights(settings: Configuration) -> list[tuple[str, str]]:
    """Weights that jobs read without declaring them as inputs, and where the configuration names them."""
    section = settings.segmentation
    found = [(f"segmentation.{section.method}", path) for path in section.chosen.weight_files()]
    for model, stage in settings.trained_stages():
        pretrained = settings.stage_training(model, stage).network.pretrained
        if isinstance(pretrained, str) and pretrained != "package":
            found.append((f"models.{model}.network.pretrained", pretrained))
    return list(dict.fromkeys(found))
