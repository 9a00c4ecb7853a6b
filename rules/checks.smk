# Checks before the first job: all problems are reported in one message, before hours of work.
from snakemake.logging import logger

from puzzlecell.runtime.before_start import Check, all_problems
from puzzlecell.runtime.claim import end_orphans
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


after_dry_run(workflow, dry_run_report)
before_snakemake_writes(workflow, check_own_folder)
offer_checks(workflow, start_checks)
