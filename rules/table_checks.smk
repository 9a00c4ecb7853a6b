# Checks of grades, thresholds and calibrations, and of what exports need, before the first job.
from puzzlecell.runtime.bucket_files import with_urls
from puzzlecell.runtime.messages import first_lines


def grade_problems():
    """Tables of grades that are missing or cannot be used."""
    from puzzlecell.data.text_tables import TableError
    from puzzlecell.teaching.grades import read_grades

    problems = [
        f"datasets.{ds}.cell_labels: {raw(ds, 'cell_labels')}: there is no such file"
        for ds, given in settings.datasets.items()
        if given.cell_labels is not None and ds not in GRADED
    ]
    problems += [
        f"models.{model}.stages.{stage} learns from grades of {ds}, but "
        + (
            f"the data set is simulated and datasets.{ds}.cell_labels names no table of them"
            if settings.datasets[ds].simulate
            else f"there is no file {raw(ds, 'cell_labels')}"
        )
        + "; grade some of its cells, or take it out of the data sets of the stage"
        for model, given in settings.models.items()
        for stage, chosen in given.stages.items()
        if chosen.kind == "cells" and chosen.labels == "graded"
        for ds in chosen.datasets
        if ds not in GRADED and settings.datasets[ds].cell_labels is None
    ]
    for ds in GRADED:
        try:
            # Without a readable table of the data set, its own check says so.
            read_grades(
                readable(cell_labels(ds)),
                CLASS_NAMES,
                known=set(field_ids(ds)) or None,
                without_class=settings.labels.without_class,
            )
        except TableError as error:
            problems += [with_urls(problem) for problem in str(error).splitlines()]
    return ["the grades of cells cannot be used:", *first_lines(problems)] if problems else []


def threshold_problems():
    """Why the table of thresholds that the configuration names cannot be used."""
    path = settings.fields.threshold_file
    if path is None:
        return []
    from puzzlecell.data.text_tables import TableError
    from puzzlecell.data.threshold_table import read_thresholds

    try:
        read_thresholds(path, CLASS_NAMES)
    except TableError as error:
        return ["fields.thresholds:", *first_lines(str(error).splitlines())]
    return []


def calibration_problems():
    """Why the calibration that the configuration names cannot be used."""
    if CALIBRATION in (None, RUN_CALIBRATION):
        return []
    from puzzlecell.data.calibration_table import read_calibration
    from puzzlecell.data.text_tables import TableError

    try:
        read_calibration(CALIBRATION, CLASS_NAMES)
    except TableError as error:
        return ["calibration.file:", *first_lines(str(error).splitlines())]
    return []


def export_problems():
    """Packages and fields that files for other tools need and that are not there."""
    from puzzlecell.formats.requirements import missing_packages

    chosen = [
        (wildcards.ds, OME_ZARR[wildcards.ds, wildcards.name])
        for wildcards in planned_wildcards(workflow, "export_ome_zarr")
    ]
    found = missing_packages(["ome_zarr"] if chosen else [])
    for ds in dict.fromkeys(ds for ds, _ in chosen):
        known = set(field_ids(ds))
        found += [
            f"export.ome_zarr.fields: there is no field {field_id} in the data set {ds}"
            for dataset, field_id in chosen
            if dataset == ds and known and field_id not in known
        ]
    return found
