"""`puzzlecell bundle`."""

import argparse
import shlex
from pathlib import Path

from puzzlecell.cli.arguments import Commands
from puzzlecell.errors import UserError
from puzzlecell.runtime.messages import first_few


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    bundle = commands.add_parser(
        "bundle", help="pack the networks and settings of a finished run, to be given away (docs/annotate.md)"
    )
    bundle.add_argument(
        "configuration",
        nargs="?",
        metavar="CONFIGURATION",
        help="of the run in this folder (default: config/config.yaml)",
    )
    bundle.add_argument(
        "--output", type=Path, required=True, help="the bundle: a folder, or a zip file if it ends in .zip"
    )
    bundle.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    if not Path("Snakefile").is_file():
        raise UserError("there is no Snakefile here; change to the folder of the project first")
    if options.configuration is not None and not Path(options.configuration).is_file():
        raise UserError(f"{options.configuration}: there is no such configuration")
    from snakemake.exceptions import WorkflowError

    from puzzlecell.runtime.loaded_workflow import job_of

    try:
        _, job = job_of("export_bundle", {}, options.configuration)
    except WorkflowError as error:
        raise UserError(str(error).strip()) from error
    from puzzlecell.bundle.export import export_bundle, run_files

    files = run_files(job)
    missing = files.missing()
    if missing:
        given = f" --configfile {shlex.quote(options.configuration)}" if options.configuration else ""
        raise UserError(
            f"the run is not finished: there is no {first_few(missing, 4)}; make the bundle with "
            f"`snakemake --cores all bundle{given}`, which first makes what is missing"
        )
    facts = export_bundle(options.output, job.params.settings, files)
    print(f"wrote {options.output}")
    if not facts["licence"]:
        print("it has no licence; set bundle.licence before you give it away")
