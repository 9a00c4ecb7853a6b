# Checks of what the user provides, before the first job: raw fields, cells to compose fields of, truth, folds, masks.
from puzzlecell.runtime.bucket import is_folder
from puzzlecell.runtime.bucket_files import with_urls
from puzzlecell.runtime.messages import first_lines
from puzzlecell.segmentation.requirements import missing_files, missing_label_images


def data_in_words():
    """The data sets that the user provides, with their numbers of fields."""
    given = [ds for ds in settings.datasets if not settings.datasets[ds].simulate]
    named = ", ".join(f"{ds} ({len(field_ids(ds))} fields)" for ds in given)
    return f"tables and headers of all images of {named}; folds" if given else "folds of simulated fields"


def raw_data_problems(sample=None):
    """Problems of the label tables and raw files that the user provides, and of the split into folds.

    sample: number of fields per data set whose files are looked at; None: all.
    """
    from puzzlecell.data.checks import dataset_problems

    to_download = {wildcards.ds for wildcards in planned_wildcards(workflow, "download_fields")}
    given = {
        ds: raw_dataset(ds, readable)
        for ds, given in settings.datasets.items()
        if not given.simulate and ds not in to_download
    }
    problems = dataset_problems(
        given,
        CLASS_NAMES,
        settings.ingest.max_rejected,
        min(16, available_cores()),
        max_megapixels=settings.ingest.max_megapixels,
        sample=sample,
        memory=".snakemake/puzzlecell-headers" if sample is None else None,
        without_class=settings.labels.without_class,
    )
    problems = [with_urls(problem) for problem in [*problems, *truth_problems()]]
    problems += [
        f"data set {ds}: its fields can be downloaded: run `snakemake download` first"
        for ds in DOWNLOADED
        if ds in given and not exists(raw(ds, "labels"))
    ]
    found = ["the raw data cannot be used:", *first_lines(problems)] if problems else []
    return [*found, *split_problems()]


def cell_problems():
    """Why data sets cannot be composed of the images of cells that they name, if this run composes any."""
    composed = {wildcards.ds for wildcards in planned_wildcards(workflow, "simulate")}
    folders = {settings.datasets[ds].simulate.cells_from: ds for ds in sorted(composed, reverse=True)}
    found = []
    for folder, ds in folders.items():
        if folder is None:
            continue
        from puzzlecell.errors import UserError
        from puzzlecell.simulate.cell_folder import read_cell_folder, split_cells

        try:
            split_cells(read_cell_folder(folder, CLASS_NAMES), CLASS_NAMES, folder)
        except UserError as error:
            found += [f"datasets.{ds}.simulate.cells_from:", *first_lines(str(error).splitlines())]
    return found


def truth_problems():
    """Tables of true cells that cannot be scored."""
    from puzzlecell.data.submission_file import TableError, read_submission

    problems = [
        f"datasets.{ds}.truth: {raw(ds, 'truth')}: there is no such file"
        for ds, given in settings.datasets.items()
        if given.truth is not None and not given.simulate and not exists(raw(ds, "truth"))
    ]
    # The truth of training sets is only read for what is measured out of fold.
    measured = any(
        planned_wildcards(workflow, name) for name in ("calibrate", "choose_members", "cell_variability")
    )
    roles = ("train", "additional") if measured else ()
    for ds in with_truth("test", "holdout", *roles):
        if not settings.datasets[ds].simulate:
            try:
                read_submission(readable(raw(ds, "truth")), len(CLASS_NAMES))
            except TableError as error:
                problems += str(error).splitlines()
    return problems


def split_problems():
    """Why the training fields cannot be split into folds, as far as their tables can be read."""
    from puzzlecell.data.fold_column import column_keys
    from puzzlecell.data.folds import fold_problems
    from puzzlecell.data.text_tables import TableError

    train, additional = (
        {ds: field_ids(ds) for ds in settings.datasets_of(role)} for role in ("train", "additional")
    )
    if not all([*train.values(), *additional.values()]):
        return []
    simulated = [ds for ds in [*train, *additional] if settings.datasets[ds].simulate]
    if simulated and settings.folds.column is not None:
        return [f"folds.column: the simulated data set {simulated[0]} has no such column"]
    try:
        keys = column_keys(
            [readable(raw(ds, "labels")) for ds in [*train, *additional]], settings.folds.column
        )
    except TableError as error:
        return [with_urls(problem) for problem in str(error).splitlines()]
    together = {field_id: (key,) for field_id, key in keys.items()}
    return fold_problems(train, additional, settings.folds, together)


def field_ids(dataset):
    """IDs of the fields of a data set, of a simulated one before it exists; none if its table cannot be read."""
    simulated = settings.datasets[dataset].simulate
    if simulated:
        from puzzlecell.simulate.field import field_id

        return [field_id(dataset, index, simulated) for index in range(simulated.fields)]
    from puzzlecell.data.field_sources import field_sources
    from puzzlecell.errors import UserError

    try:
        return list(field_sources(raw_dataset(dataset, readable)).ids)
    except UserError:
        return []


def segmenter_problems():
    """Missing files that the segmenter reads besides the fields, if this run segments any.

    A field that is rejected is not segmented, so missing label images count only if no field may be rejected.
    """
    segmented = {wildcards.ds for wildcards in planned_wildcards(workflow, "segment")}
    if not segmented:
        return []
    simulated = {ds: settings.datasets[ds].simulate for ds in sorted(segmented)}
    # True masks are written with simulated fields.
    folders = {ds: own_masks(ds) for ds, given in simulated.items() if given is None}
    problems = [
        f"datasets.{ds}.simulate.true_masks: segmentation.method: masks reads label images, but none are written with these "
        "simulated fields; set it to true, and segmentation.masks.folder to cells"
        for ds, given in simulated.items()
        if settings.segmentation.method == "masks"
        and given is not None
        and not (given.true_masks and settings.segmentation.masks.folder == "cells")
    ]
    problems += missing_files(settings.segmentation, list(folders.values()))
    if settings.segmentation.method == "masks" and settings.ingest.max_rejected == 0:
        for ds, folder in folders.items():
            problems += missing_label_images(folder, field_ids(ds)) if is_folder(folder) else []
    return problems
