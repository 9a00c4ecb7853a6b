# What looked wrong in the results and did not stop the run: one table, and its main points at the end of the run.
from dataclasses import replace

from snakemake.logging import logger

from puzzlecell.errors import UserError
from puzzlecell.runtime.bucket import forget_lists
from puzzlecell.runtime.bucket_files import copy_of, downloaded


def report_warnings():
    """Write results/warnings.csv from the results that exist, and show on the terminal what it says."""
    from puzzlecell.scoring.warnings_table import as_text, write_warnings
    from puzzlecell.viewer.warnings_chunk import write_warnings_chunk

    path, findings = in_bucket("results/warnings.csv"), []
    try:
        findings = find_warnings()
        text = as_text(path, findings)
        write_warnings(path, findings)
        # Nothing but the end of a run knows all warnings, so no job can write those of the viewer.
        if not BUCKET and os.path.exists("results/view/data/run.js"):
            write_warnings_chunk("results/view/data/warnings.js", findings)
    except (OSError, UserError) as error:
        text = f"{as_text(path, findings)}\n{path} cannot be written: {error}".strip()
    if text:
        # The display of this project shows it below its summary.
        logger.warning(text, extra={"at_end": True})


def find_warnings():
    """Findings of the results that exist; those in a bucket are downloaded, except the images of the stores."""
    from puzzlecell.data.pixel_sizes import stated_pixel_sizes
    from puzzlecell.scoring.warnings_table import DatasetFiles, StageFiles, find_all

    datasets = [
        DatasetFiles(
            ds,
            stated_pixel_sizes(given.pixel_size_um, raw_dataset(ds, readable)),
            per_shard("results/store/{ds}/{sh}.h5", [ds]),
            per_shard("results/store/{ds}/{sh}.rejected.csv", [ds]),
            per_shard("results/masks/{ds}/{sh}.cells.parquet", [ds]),
            distance_tables(ds, "images.parquet"),
            role=given.role,
            contents=per_shard("results/store/{ds}/{sh}.contents.csv", [ds]),
        )
        for ds, given in settings.datasets.items()
    ]
    stages = [
        StageFiles(
            f"{model}, {stage}",
            given.datasets,
            [f"results/models/{model}/{stage}/fold{fold}/oof.csv" for fold in FOLDS],
            cells=given.kind == "cells",
        )
        for model, chosen in settings.models.items()
        for stage, given in chosen.stages.items()
        if given.checkpoints is None
    ]
    tables = ["results/folds/warnings.csv", *(f"results/grades/{ds}.warnings.csv" for ds in GRADED)]
    if not BUCKET:
        return find_all(datasets, stages, CLASS_NAMES, settings.plausibility, tables=tables)
    forget_lists()
    small = [
        path for files in datasets for path in [*files.rejected, *files.cells, *files.unlike, *files.contents]
    ] + tables
    small += [path for files in stages for path in files.held_out]
    there = [in_bucket(path) for table in small for path in (table, *checksums(table))]
    with downloaded([url for url in there if exists(url)]) as copies:

        def copied(paths):
            return [copy_of(copies, in_bucket(path)) for path in paths]

        datasets = [
            replace(
                files,
                stores=[in_bucket(path) for path in files.stores if exists(in_bucket(path))],
                rejected=copied(files.rejected),
                cells=copied(files.cells),
                unlike=copied(files.unlike),
                contents=copied(files.contents),
            )
            for files in datasets
        ]
        stages = [replace(files, held_out=copied(files.held_out)) for files in stages]
        found = find_all(datasets, stages, CLASS_NAMES, settings.plausibility, tables=copied(tables))
    return [replace(finding, what=copies.named(finding.what)) for finding in found]
