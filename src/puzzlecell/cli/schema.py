"""`puzzlecell schema`."""

import argparse
import json

from puzzlecell.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    schema = commands.add_parser("schema", help="print the JSON schema of configuration files, for editors")
    schema.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from puzzlecell.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
