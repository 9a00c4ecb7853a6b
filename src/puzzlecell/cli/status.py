"""`puzzlecell status`."""

import argparse
from contextlib import chdir
from pathlib import Path

from puzzlecell.cli.arguments import Commands
from puzzlecell.errors import UserError
from puzzlecell.runtime.threads import available_cores

FAILED, UNFINISHED = 3, 4
"""Exit status if a job has failed, and if jobs are left to be done without that."""


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    status = commands.add_parser(
        "status",
        help="jobs done, running, failed and waiting of the run in this folder",
        description="Jobs of the run that began last in this folder, also while it goes on. Exit status: 0 if all are "
        f"done, {FAILED} if one has failed, {UNFINISHED} if some are running, stopped or waiting, 1 if the state "
        "cannot be found out.",
    )
    status.add_argument("targets", nargs="*", help="default: those of the last run in this folder")
    status.add_argument("--configfile", nargs="+", help="default: that of the last run in this folder")
    status.add_argument("--directory", default=".", help="folder of the run (default: the current one)")
    status.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from puzzlecell.runtime.run_record import RunRequest, last_request
    from puzzlecell.runtime.run_status import run_status, shown

    if not Path(options.directory).is_dir():
        raise UserError(f"--directory: there is no folder {options.directory}")
    configfiles = tuple(str(Path(path).absolute()) for path in options.configfile or ())
    with chdir(options.directory):
        last = last_request() or RunRequest()
        if last.bucket is not None:
            raise UserError(
                f"the last run in this folder keeps its files in {last.bucket}; only those of runs in a folder can be "
                "looked at"
            )
        request = RunRequest(
            last.snakefile, configfiles or last.configfiles, tuple(options.targets) or last.targets
        )
        found = run_status(request, cores=available_cores())
    print(f"{' '.join(request.targets) or 'default target'}, ", end="")
    print(", ".join(request.configfiles) or "config/config.yaml")
    print("\n".join(shown(found)), flush=True)
    if found.count("failed"):
        return FAILED
    return 0 if found.count("done") == len(found.jobs) else UNFINISHED
