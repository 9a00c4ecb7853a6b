"""Files that the jobs of a run could not reach: in a run with a bucket, or with jobs in containers elsewhere."""

from pathlib import PurePath

from puzzlecell.config.workflow import Configuration


def place_problems(settings: Configuration, *, in_bucket: bool, elsewhere: bool) -> list[str]:
    """Return one message per path of the configuration that jobs could not reach.

    in_bucket: inputs and outputs are in a bucket, at their relative paths. elsewhere: jobs run on machines that share
    no files with this one and get copies of the workflow only.
    """
    problems = []
    for name, dataset in settings.datasets.items() if in_bucket else ():
        for key in ("path", "labels", "truth"):
            path = getattr(dataset, key)
            if path is not None and PurePath(path).is_absolute():
                problems.append(
                    f"datasets.{name}.{key}: {path} is on this machine, but this run keeps its files in a bucket; "
                    "give a path below the bucket's prefix, or s3://bucket/folder"
                )
    for place, path in _weights(settings) if elsewhere else ():
        if not PurePath(path).is_absolute():
            problems.append(
                f"{place}: {path} is not sent to the machines of the jobs; put it into the container image or on a "
                "volume that this machine and the jobs see at the same absolute path, and give that path"
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
