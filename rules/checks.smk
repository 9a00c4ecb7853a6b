# Checks before the first job: all problems are reported in one message, before hours of work.
from snakemake.logging import logger

from puzzlecell.runtime.before_start import Check, all_problems
from puzzlecell.runtime.bucket import is_folder
from puzzlecell.runtime.bucket_files import with_urls
from puzzlecell.runtime.claim import end_orphans
from puzzlecell.runtime.messages import first_lines
from puzzlecell.runtime.run_record import announce_run, keep_request, remove_scripts_of_killed_runs
from puzzlecell.runtime.slurm import partition_problem, queued_jobs_problem
from puzzlecell.runtime.snakemake_internals import (
    after_dry_run,
    before_snakemake_writes,
    offer_checks,
    planned_folders,
    planned_gpus,
    planned_wildcards,
    request_of,
    temporary_folders,
)
from puzzlecell.runtime.temporary import remove_abandoned
from puzzlecell.runtime.writable import unwritable_folders
from puzzlecell.segmentation.requirements import missing_files, missing_label_images


def start_checks(quick=False):
    """The checks that a run makes before its first job. quick: those that a dry run makes, without networks."""
    slow = [
        Check("folders that results are written to", lambda: unwritable_folders(planned_folders(workflow))),
        Check("GPUs", gpu_problems),
        Check("networks to be trained", network_problems),
    ]
    checks = [
        Check("files that other machines read", unreachable_files),
        Check(f"raw data: {data_in_words()}", lambda: raw_data_problems(sample=100 if quick else None)),
        Check("images of cells that fields are composed of", cell_problems),
        Check(f"files of the segmenter {settings.segmentation.method}", segmenter_problems),
        Check("grades of cells", grade_problems),
        Check("thresholds of the classes of fields", threshold_problems),
        Check("calibration of cells", calibration_problems),
        Check("files for other tools", export_problems),
        Check("pictures of embeddings", picture_problems),
        Check("networks from elsewhere", reader_problems),
        Check("tables from elsewhere", foreign_problems),
        Check(
            "ready weights",
            ready_weights if quick else lambda: ready_weights() or ready_networks() or ready_look(),
        ),
    ]
    return checks if quick else [slow[0], *checks, *slow[1:]]


def data_in_words():
    """The data sets that the user provides, with their numbers of fields."""
    given = [ds for ds in settings.datasets if not settings.datasets[ds].simulate]
    named = ", ".join(f"{ds} ({len(field_ids(ds))} fields)" for ds in given)
    return f"tables and headers of all images of {named}; folds" if given else "folds of simulated fields"


def check_before_start():
    """Raise WorkflowError listing every problem that would stop this run later."""
    problems = cluster_problems()
    if problems:
        raise WorkflowError("\n".join(problems))
    announce_run(own_jobs=workflow.local_exec)
    keep_request(request_of(workflow))
    clear_up()
    problems = all_problems(start_checks())
    if problems:
        raise WorkflowError("\n".join(problems))
    say_feature_sizes()


def on_slurm():
    """Whether jobs are submitted to SLURM."""
    return workflow.executor_plugin.name == "slurm"


def cluster_problems():
    """Why jobs cannot be submitted to SLURM now, if they are to be."""
    if not on_slurm():
        return []
    partitions = workflow.executor_settings.partition_config
    found = [queued_jobs_problem("."), partition_problem(partitions) if partitions else None]
    return [problem for problem in found if problem]


def check_own_folder():
    """Raise WorkflowError if Snakemake cannot keep its records in this folder."""
    problems = unwritable_folders([".snakemake"])
    if problems:
        raise WorkflowError("\n".join(problems))


def clear_up():
    """End jobs that a killed run of this folder left behind, and remove its temporary files."""
    for message in end_orphans("results/logs"):
        logger.warning(message)
    remove_scripts_of_killed_runs(no_job_queued=on_slurm())
    for folder in temporary_folders(workflow):
        remove_abandoned(folder.parent, "snakemake" if folder.name.startswith("snakemake") else "tmp")


def dry_run_report():
    """What a dry run shows after its plan: problems found by quick checks, which import no networks."""
    problems = all_problems(start_checks(quick=True))
    if not problems:
        return ""
    return "\n".join(["", "This run would stop before its first job:", *problems])


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


after_dry_run(workflow, dry_run_report)
before_snakemake_writes(workflow, check_own_folder)
offer_checks(workflow, start_checks)
