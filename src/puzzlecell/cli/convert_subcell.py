"""`puzzlecell convert-subcell`."""

import argparse

from puzzlecell.cli.arguments import Commands, output_file
from puzzlecell.network.subcell_file import VARIANTS


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    parser = commands.add_parser(
        "convert-subcell", help="convert a published SubCell network, encoder and classifiers, to safetensors"
    )
    parser.add_argument("encoder", help="encoder.pth; only tensors are read")
    parser.add_argument(
        "classifiers", nargs="+", help="classifier_s0.pth and others; their probabilities are averaged"
    )
    parser.add_argument("--output", required=True, help="for example weights/subcell.safetensors")
    parser.add_argument(
        "--channels",
        choices=list(VARIANTS),
        help="channels of the network, by their first letters (default: as the number of channels says)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from puzzlecell.network.convert_subcell import convert_subcell

    inputs = (options.encoder, *options.classifiers)
    network = convert_subcell(
        options.encoder, options.classifiers, output_file(options.output, *inputs), options.channels
    )
    layout = network.layout
    print(
        f"wrote {options.output}: {', '.join(VARIANTS[layout.channels])}; {layout.depth} layers, "
        f"{layout.classifiers} classifier{'s' if layout.classifiers > 1 else ''}"
    )
