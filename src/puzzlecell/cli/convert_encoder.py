"""`puzzlecell convert-encoder`."""

import argparse

from puzzlecell.cli.arguments import Commands, output_file


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    parser = commands.add_parser(
        "convert-encoder",
        help="convert a published vision transformer, such as Cell-DINO's, to starting weights of a backbone",
    )
    parser.add_argument("checkpoint", help="PyTorch state dict or safetensors; only tensors are read")
    parser.add_argument("output", help="for example weights/celldino.safetensors")
    parser.add_argument(
        "--backbone",
        default="vit_large_patch16_celldino",
        help="name of the vision transformer (default: %(default)s)",
    )
    parser.add_argument(
        "--channels",
        type=lambda text: tuple(text.split(",")),
        help="what the four channels of the encoder show, in their order, such as red,green,blue,yellow; left out for "
        "an encoder of RGB images",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from puzzlecell.network.convert_encoder import convert_encoder

    count = convert_encoder(
        options.checkpoint,
        output_file(options.output, options.checkpoint),
        options.backbone,
        options.channels,
    )
    print(f"wrote {options.output}: {options.backbone}, {count} tensors")
