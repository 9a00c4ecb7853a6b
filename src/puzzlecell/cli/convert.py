"""`puzzlecell convert` and `puzzlecell convert-segmenter`."""

import argparse

from puzzlecell.cli.arguments import Commands, output_file
from puzzlecell.config.class_table import read_classes


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    convert = commands.add_parser(
        "convert", help="convert a published checkpoint of the method to safetensors"
    )
    convert.add_argument("checkpoint", help="PyTorch state dict; only tensors are read")
    convert.add_argument("output", help="for example weights/stage2_fold1.safetensors")
    convert.add_argument(
        "--backbone", default="seresnext50_32x4d", help="timm model name (default: %(default)s)"
    )
    convert.add_argument("--field-size", type=int, default=512)
    convert.add_argument("--crop-size", type=int, default=384)
    convert.add_argument(
        "--classes",
        default="config/classes.csv",
        help="CSV `index,name` of the classes (default: %(default)s)",
    )
    convert.set_defaults(run=run)

    segmenter = commands.add_parser(
        "convert-segmenter", help="convert published weights of the HPA segmenter to safetensors"
    )
    segmenter.add_argument(
        "weights", help="dpn_unet_nuclei_v1.pth or dpn_unet_cell_3ch_v1.pth; only tensors are read"
    )
    segmenter.add_argument("output", help="for example weights/hpa_dpn_nuclei.safetensors")
    segmenter.set_defaults(run=run_segmenter)


def run(options: argparse.Namespace) -> None:
    from puzzlecell.config.network import InputSettings, NetworkSettings
    from puzzlecell.network.convert import convert_checkpoint

    convert_checkpoint(
        options.checkpoint,
        output_file(options.output, options.checkpoint, options.classes),
        NetworkSettings(backbone=options.backbone, pretrained=False),
        InputSettings(field_size=options.field_size, crop_size=options.crop_size),
        read_classes(options.classes),
    )
    print(f"wrote {options.output}")


def run_segmenter(options: argparse.Namespace) -> None:
    from puzzlecell.segmentation.hpa_weights import convert_segmenter

    checksum = convert_segmenter(options.weights, output_file(options.output, options.weights))
    print(f"wrote {options.output}, SHA-256 {checksum}")
