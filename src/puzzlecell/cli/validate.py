"""`puzzlecell validate`."""

import argparse
import time
from contextlib import chdir
from pathlib import Path

from puzzlecell.cli.arguments import Commands
from puzzlecell.errors import UserError
from puzzlecell.runtime.threads import available_cores


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    validate = commands.add_parser(
        "validate", help="make every check that a run makes before its first job, and run nothing"
    )
    validate.add_argument("targets", nargs="*", help="as for snakemake (default: its default target)")
    validate.add_argument(
        "--configfile", nargs="+", help="configuration in place of config/config.yaml; also several files"
    )
    validate.add_argument(
        "--directory", default=".", help="folder that the run works in (default: the current one)"
    )
    validate.add_argument("--snakefile", default="Snakefile", help="default: %(default)s")
    validate.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from puzzlecell.runtime.before_start import run_checks
    from puzzlecell.runtime.planned_jobs import planned_workflow
    from puzzlecell.runtime.snakemake_internals import offered_checks

    configfiles, snakefile = (
        [str(Path(path).absolute()) for path in options.configfile or ()],
        options.snakefile,
    )
    if not Path(options.directory).is_dir():
        raise UserError(f"--directory: there is no folder {options.directory}")
    snakefile = str(Path(snakefile).absolute())
    problems = 0
    with chdir(options.directory):
        started = time.monotonic()
        with planned_workflow(
            options.targets, configfiles, cores=available_cores(), snakefile=snakefile
        ) as workflow:
            jobs = sum(1 for job in workflow.dag.needrun_jobs() if job.output)
            _say("the configuration and the plan", f"fine, {jobs} jobs to run", time.monotonic() - started)
            for checked in run_checks(offered_checks(workflow)):
                _say(checked.what, "problems" if checked.problems else "fine", checked.seconds)
                for problem in checked.problems:
                    print("\n".join(f"    {line}" for line in problem.splitlines()), flush=True)
                problems += bool(checked.problems)
    if problems:
        raise UserError("this run would stop before its first job; nothing was run")
    print("all checks passed; nothing was run")


def _say(what: str, found: str, seconds: float) -> None:
    print(f"{what}: {found} ({seconds:.1f} s)", flush=True)
