"""Wrappers around Snakemake's private interfaces, tested with the pinned version."""

import os
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from puzzlecell.errors import UserError
from puzzlecell.runtime.before_start import Check
from puzzlecell.runtime.bucket import SETTINGS, environment_name, is_url, split
from puzzlecell.runtime.run_record import RunRequest
from puzzlecell.runtime.threads import available_cores


class StorageError(UserError):
    """A storage that this workflow cannot use."""


def has_own_configuration(workflow: Any) -> bool:
    """Whether `--configfile` was given; that file then replaces the default configuration entirely."""
    return bool(workflow.overwrite_configfiles)


def configuration_files(workflow: Any, default: str) -> list[Path]:
    """Configuration files of this run: those of `--configfile`, which may be several, else the default one."""
    here = Path.cwd()
    paths = [Path(path) for path in workflow.overwrite_configfiles] or [Path(default)]
    return [path.relative_to(here) if path.is_relative_to(here) else path for path in paths]


def limit_cores(workflow: Any) -> None:
    """Limit `--cores` of a run on this machine to its cores, because more threads than cores slow down every job.

    Called while the Snakefile is read, when it is not known yet where the jobs will run.
    """

    def limit(executor: Any) -> None:
        asked = workflow.global_resources["_cores"].value
        if asked is not None and executor.common_settings.local_exec and workflow.is_main_process:
            workflow.register_resource("_cores", min(asked, available_cores()))

    _before_execution(workflow, limit)


def heed_sigterm() -> None:
    """On SIGTERM, let a run end after its running jobs, whatever it is doing when the signal arrives.

    Called while the Snakefile is read. Snakemake's handler takes locks that the interrupted thread may hold, which
    would be a deadlock. Here another thread takes them.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    handle = JobScheduler.exit_gracefully
    if hasattr(handle, "__wrapped__"):
        return

    @wraps(handle)
    def handle_in_a_thread(scheduler: Any, *arguments: Any) -> None:
        threading.Thread(target=handle, args=(scheduler, *arguments), daemon=True).start()

    JobScheduler.exit_gracefully = handle_in_a_thread


def default_bucket(workflow: Any) -> str | None:
    """URL below which this run keeps its files, such as `s3://bucket/run`; None without a default storage.

    Raises StorageError for another storage than S3.
    """
    given = workflow.storage_settings
    if given is None or given.default_storage_provider is None:
        return None
    prefix = given.default_storage_prefix or ""
    if given.default_storage_provider != "s3" or not is_url(prefix):
        raise StorageError(
            f"default-storage-provider: {given.default_storage_provider} with the prefix {prefix!r}; this workflow "
            "runs with local files, or with s3 and a prefix such as s3://bucket/run"
        )
    return prefix.rstrip("/")


def share_bucket_settings(workflow: Any) -> None:
    """Give the settings of Snakemake's S3 storage to this process and its jobs, which read raw files themselves."""
    tagged = (workflow.storage_provider_settings or {}).get("s3")
    settings = tagged and tagged.get_settings(None)
    for name in SETTINGS if settings else ():
        value = getattr(settings, name, None)
        if value is not None:
            os.environ[environment_name(name)] = str(value)


def storage_copy(workflow: Any, url: str) -> str:
    """Path at which a job finds its declared input or output in a bucket."""
    return str(Path(workflow.storage_settings.local_storage_prefix, "s3", *split(url)))


def sent_files(workflow: Any) -> set[str] | None:
    """Files of the workflow that are sent to the machines of the jobs; None if these share them with this machine."""
    from snakemake.settings.types import SharedFSUsage

    if SharedFSUsage.SOURCES in workflow.storage_settings.shared_fs_usage:
        return None
    return set(workflow.dag.get_sources())


def planned_wildcards(workflow: Any, rule: str) -> list[Any]:
    """Wildcards of the jobs of a rule that this run will execute; call it after the DAG has been built."""
    return [job.wildcards for job in _planned(workflow) if job.rule.name == rule]


def planned_gpus(workflow: Any) -> int:
    """Largest number of GPUs that one job of this run asks for; call it after the DAG has been built."""
    return max((job.resources.get("gpu", 0) for job in _planned(workflow)), default=0)


def planned_folders(workflow: Any) -> set[Path]:
    """Folders that the jobs of this run write to; call it after the DAG has been built."""
    paths = {
        str(path) for job in _planned(workflow) for path in (*job.output, *job.log, job.benchmark) if path
    }
    return {Path(path).parent for path in paths}


def temporary_folders(workflow: Any) -> list[Path]:
    """Folders that Snakemake makes for this process, removes at its end and leaves behind if it is killed."""
    cache = workflow.sourcecache.runtime_cache
    return [workflow.snakemake_tmp_dir, *([Path(cache.name)] if cache else [])]


def asked_for(workflow: Any, target: str) -> bool:
    """Whether a run was given this target, a rule or a file; call it after the rules have been read.

    The processes of jobs are given their own files.
    """
    return target in workflow.dag_settings.targets


def after_dry_run(workflow: Any, report: Callable[[], str]) -> None:
    """After the plan of a dry run that has something to do, show what `report` returns, unless that is empty.

    Called while the Snakefile is read. Snakemake has no hook for dry runs and runs none of its own in them. `report` is
    not called for real runs, in the processes of jobs, and for `--lint`, `--dag`, `--summary` and the like.
    """
    from snakemake.logging import logger

    execute = workflow.execute

    def execute_and_report(*arguments: Any, **options: Any) -> Any:
        result = execute(*arguments, **options)
        text = report() if workflow.dryrun and workflow.is_main_process and _planned(workflow) else ""
        if text:
            logger.error(text)
        return result

    workflow.execute = execute_and_report


def before_snakemake_writes(workflow: Any, check: Callable[[], None]) -> None:
    """Call `check` before Snakemake writes into `.snakemake`: in real runs, and in dry runs that have to make it.

    Called while the Snakefile is read. Snakemake itself shows a traceback if it cannot write there.
    """

    def check_if_needed(executor: Any) -> None:
        if not executor.common_settings.dryrun_exec or not Path(".snakemake").exists():
            check()

    _before_execution(workflow, check_if_needed)


def _before_execution(workflow: Any, act: Callable[[Any], None]) -> None:
    """Call `act` with the plugin of the executor, before the DAG is built."""
    execute = workflow.execute

    def act_and_execute(*arguments: Any, executor_plugin: Any, **options: Any) -> Any:
        act(executor_plugin)
        return execute(*arguments, executor_plugin=executor_plugin, **options)

    workflow.execute = act_and_execute


def _planned(workflow: Any) -> list[Any]:
    """Jobs that this run executes or has executed, or that a dry run has shown."""
    return list(workflow.dag.needrun_jobs(exclude_finished=False))


def offer_checks(workflow: Any, checks: Callable[[], Sequence[Check]]) -> None:
    """Let `offered_checks` find the checks of a run before its first job; called while the Snakefile is read."""
    workflow.puzzlecell_checks = checks


def offered_checks(workflow: Any) -> Sequence[Check]:
    """The checks that a run of this workflow would make before its first job; call it after the DAG has been built."""
    return workflow.puzzlecell_checks()


def request_of(workflow: Any) -> RunRequest:
    """What this run was asked for; call it after the DAG has been built."""
    return RunRequest(
        snakefile=_from_here(workflow.main_snakefile),
        configfiles=tuple(map(_from_here, workflow.overwrite_configfiles)),
        targets=tuple(sorted(map(str, workflow.dag_settings.targets))),
        bucket=default_bucket(workflow),
    )


def _from_here(path: str | Path) -> str:
    """A path as it is called in this folder, which may be moved; absolute if it is elsewhere."""
    here, path = Path.cwd(), Path(path).absolute()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def unfinished_outputs(workflow: Any, job: Any) -> bool:
    """Whether Snakemake has started a job and not seen its end; call it after the DAG has been built."""
    keys = [workflow.persistence._get_key(path) for path in job.output]
    return bool(workflow.persistence._filter_incomplete_keys(keys))
