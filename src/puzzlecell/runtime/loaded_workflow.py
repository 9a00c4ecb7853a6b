"""The workflow in a process of its own, through private interfaces of Snakemake: rules and jobs, nothing is run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from puzzlecell.runtime.threads import available_cores


@contextmanager
def loaded_workflow(
    cores: int, configfiles: str | Sequence[str] | None = None, snakefile: str = "Snakefile"
) -> Iterator[Any]:
    """Provide the workflow with its rules for the current folder, for this number of cores; runs nothing.

    configfiles: in place of the default configuration. Raises Snakemake's WorkflowError for an invalid configuration.
    """
    given = [configfiles] if isinstance(configfiles, str) else configfiles or ()
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, enable_file_logging=False)) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=cores),
            config_settings=ConfigSettings(configfiles=[Path(path) for path in given]),
            snakefile=Path(snakefile),
        )._workflow
        workflow.dag_settings = DAGSettings()
        yield workflow


def build_dag(workflow: Any, targets: Sequence[str] = (), *, forceall: bool = False) -> None:
    """Find out which jobs a loaded workflow would run, as a dry run does; locks nothing and heeds no lock.

    Outputs of jobs that were stopped count as not made, as in a run with `rerun-incomplete`. Where there is no folder
    `.snakemake`, none is left behind.
    """
    import snakemake.workflow
    from snakemake.settings.types import DAGSettings

    workflow.dag_settings = DAGSettings(targets=set(targets), forceall=forceall, force_incomplete=True)
    kind = snakemake.workflow.FilePersistence
    if not Path(".snakemake").exists():
        own = workflow.snakemake_tmp_dir / "persistence"
        snakemake.workflow.FilePersistence = lambda **options: kind(**{**options, "path": own})
    try:
        workflow._prepare_dag(forceall=forceall, ignore_incomplete=False, lock_warn_only=True)
    finally:
        snakemake.workflow.FilePersistence = kind
    # What a dry run has noted down for the next run stays where it is.
    workflow.persistence.drop_iocache = lambda: None
    workflow._build_dag()


def job_of(rule: str, wildcards: dict[str, str], configfile: str | None = None) -> tuple[Path, Any]:
    """Return the script of a rule, and the object that Snakemake would provide to it for a job with these wildcards.

    Uses the workflow in the current folder and runs nothing. Raises ValueError for an unknown rule, a rule without a
    script, or other wildcards than the rule's; Snakemake's WorkflowError for an invalid configuration.
    """
    with loaded_workflow(available_cores(), configfile) as workflow:
        job = job_with(workflow, rule, wildcards)
        (script,) = [found.script for found in workflow.rules if found.name == rule]
        return Path(workflow.basedir, "workflow/scripts", Path(script).name), job


def job_with(workflow: Any, rule: str, wildcards: dict[str, str]) -> Any:
    """Return the object that Snakemake would provide to the script of a job with these wildcards; runs nothing.

    workflow: of `loaded_workflow`. Raises ValueError as `job_of` does.
    """
    from snakemake.iocontainers import Snakemake

    job = _job(workflow, rule, wildcards)
    parts = (job.input, job.output, job.params, job.wildcards, job.threads, job.resources, job.log)
    return Snakemake(*parts, config=workflow.config, rulename=rule, bench_iteration=None)


def inputs_of(workflow: Any, rule: str, wildcards: dict[str, str]) -> Any:
    """Return the inputs of a job as `job_with` does, without its parameters, which can take long to find out."""
    return _job(workflow, rule, wildcards).input


def _job(workflow: Any, rule: str, wildcards: dict[str, str]) -> Any:
    # Only now: snakemake.dag cannot be imported before snakemake.workflow, which imports it too.
    from snakemake.dag import DAG
    from snakemake.jobs import Job

    scripts = {found.name: found for found in workflow.rules if found.script}
    if rule not in scripts:
        raise ValueError(f"there is no rule {rule!r} with a script; there are {', '.join(sorted(scripts))}")
    found = scripts[rule]
    if set(wildcards) != set(found.wildcard_names):
        needed = ", ".join(sorted(found.wildcard_names)) or "none"
        raise ValueError(f"{rule}: found the wildcards {', '.join(wildcards) or 'none'}, expected {needed}")
    return Job(found, DAG(workflow, rules=[found]), wildcards)
