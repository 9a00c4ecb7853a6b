"""`puzzlecell init`."""

import argparse
from pathlib import Path

from puzzlecell.cli.arguments import Commands, output_file
from puzzlecell.errors import UserError

CONFIGURATION, SHEET = "config.yaml", "contact_sheet.jpg"


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    init = commands.add_parser(
        "init", help="propose a configuration for a folder of images, and draw a contact sheet"
    )
    init.add_argument("folder", help="folder with images, also in folders of it")
    init.add_argument(
        "--output",
        default=".",
        metavar="FOLDER",
        help=f"folder for {CONFIGURATION} and {SHEET} (default: the current one)",
    )
    init.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    output = Path(options.output)
    configuration = output_file(str(output / CONFIGURATION))
    sheet = output_file(str(output / SHEET))
    if configuration.exists():
        raise UserError(
            f"{configuration}: exists already and is not replaced; move it away, or choose another folder with --output"
        )
    from puzzlecell.propose.configuration import configuration_text, described, predict_command
    from puzzlecell.propose.contact_sheet import write_contact_sheet
    from puzzlecell.propose.proposal import propose, sheet_columns, sheet_images
    from puzzlecell.runtime.atomic import written_whole

    proposal = propose(Path(options.folder))
    for line in described(proposal, proposal.questions):
        print(line)
    output.mkdir(parents=True, exist_ok=True)
    write_contact_sheet(sheet, sheet_columns(proposal), sheet_images(proposal))
    with written_whole(configuration) as temporary:
        temporary.write_text(configuration_text(proposal, SHEET), encoding="utf-8")
    print(f"look at {sheet}. With a bundle, this is all:")
    print(f"    {predict_command(proposal)}")
    print(
        f"With other weights, or to train, edit {configuration}; next: puzzlecell validate --configfile {configuration}"
    )
