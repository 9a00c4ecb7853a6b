"""SubCell here against its public implementation: the same random weights, the same crops, the largest differences.

The public implementation is `vit_model.py` of SubCellPortable, which needs the `transformers` of its requirements; both
belong into an environment of their own. Its network gets random weights, which are written with the names of the
published checkpoints, converted with `puzzlecell convert-subcell`, and compared at the published sizes.
Run: PYTHONPATH=src:<folder with transformers>:<folder of SubCellPortable> \
     python benchmarks/parity/subcell.py [--crops 4]
"""

import argparse
import re
import tempfile
from pathlib import Path

import torch

from puzzlecell.cli.main import main as puzzlecell
from puzzlecell.network.subcell import load_subcell
from puzzlecell.network.subcell_file import LOCATIONS, VARIANTS

CLASSIFIERS = 2


def public_network(channels: int) -> torch.nn.Module:
    """The public network at the published sizes, with random weights in all tensors."""
    from vit_model import ViTPoolClassifier

    network = ViTPoolClassifier(
        {
            "vit_model": {
                "hidden_size": 768,
                "num_hidden_layers": 12,
                "num_attention_heads": 12,
                "intermediate_size": 3072,
                "hidden_act": "gelu",
                "hidden_dropout_prob": 0.0,
                "attention_probs_dropout_prob": 0.0,
                "layer_norm_eps": 1e-12,
                "image_size": 448,
                "patch_size": 16,
                "num_channels": channels,
                "qkv_bias": True,
            },
            "pool_model": {"dim": 768, "int_dim": 512, "num_heads": 2},
            "num_classes": len(LOCATIONS),
        }
    )
    network.classifiers = torch.nn.ModuleList(network.make_classifier() for _ in range(CLASSIFIERS))
    for name, tensor in network.named_parameters():
        centre = 1.0 if re.search(r"layernorm\w*\.weight$", name) else 0.0
        # As large as those of a trained network, so that attention and the outputs are far from uniform.
        spread = 0.05 if tensor.ndim > 1 else 0.1
        torch.nn.init.normal_(tensor, centre, spread)
    return network.eval()


def write_checkpoints(network: torch.nn.Module, folder: Path) -> list[str]:
    """Write encoder and classifiers with the names of the published checkpoints, which count the dropouts."""
    state = network.state_dict()
    encoder = {
        re.sub(r"^(pool_model\.attention_[uv])\.0\.", r"\1.1.", name): tensor
        for name, tensor in state.items()
        if not name.startswith("classifiers.")
    }
    torch.save(encoder, folder / "encoder.pth")
    paths = [folder / "encoder.pth"]
    for number in range(CLASSIFIERS):
        prefix = f"classifiers.{number}."
        published = {"0": "0", "2": "3", "4": "6"}
        head = {
            f"{published[name.removeprefix(prefix)[0]]}{name.removeprefix(prefix)[1:]}": tensor
            for name, tensor in state.items()
            if name.startswith(prefix)
        }
        paths.append(folder / f"classifier_s{number}.pth")
        torch.save(head, paths[-1])
    return [str(path) for path in paths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=int, default=4)
    options = parser.parse_args()
    import transformers

    print(
        f"torch {torch.__version__}, transformers {transformers.__version__}, {options.crops} crops of 448 pixels"
    )
    for letters, channels in VARIANTS.items():
        torch.manual_seed(len(letters))
        public = public_network(len(channels))
        crops = torch.rand(options.crops, len(channels), 448, 448)
        with tempfile.TemporaryDirectory() as folder:
            paths = write_checkpoints(public, Path(folder))
            target = f"{folder}/subcell.safetensors"
            puzzlecell(["convert-subcell", *paths, "--output", target, "--channels", letters])
            network = load_subcell(target)
        with torch.inference_mode():
            theirs = public(crops)
            probabilities, embeddings = network(crops)
        of_p = (probabilities - theirs.probabilities).abs().max().item()
        of_e = (embeddings - theirs.pool_op).abs().max().item()
        print(
            f"{letters}: largest difference {of_p:.1e} of probabilities ({theirs.probabilities.min():.3f} to "
            f"{theirs.probabilities.max():.3f}), {of_e:.1e} of embeddings (standard deviation "
            f"{theirs.pool_op.std():.2f}, between crops {theirs.pool_op.std(0).mean():.2f})"
        )


if __name__ == "__main__":
    main()
