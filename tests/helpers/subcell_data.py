"""Stand-ins of SubCell's published checkpoints: the same names, small sizes, random numbers."""

from pathlib import Path

import torch

from puzzlecell.network.subcell_file import LOCATIONS

WIDTH, DEPTH, MLP, PATCH, SIDE = 64, 2, 96, 16, 3


def encoder_state(channels: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors of an encoder and its pooling, as published."""
    random = torch.Generator().manual_seed(seed)

    def tensor(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random) * 0.2

    def layer(prefix: str, outputs: int, inputs: int) -> dict[str, torch.Tensor]:
        return {f"{prefix}.weight": tensor(outputs, inputs), f"{prefix}.bias": tensor(outputs)}

    def norm(prefix: str) -> dict[str, torch.Tensor]:
        return {f"{prefix}.weight": 1 + tensor(WIDTH), f"{prefix}.bias": tensor(WIDTH)}

    projection = "encoder.embeddings.patch_embeddings.projection"
    state = {
        "encoder.embeddings.cls_token": tensor(1, 1, WIDTH),
        "encoder.embeddings.position_embeddings": tensor(1, 1 + SIDE**2, WIDTH),
        f"{projection}.weight": tensor(WIDTH, channels, PATCH, PATCH),
        f"{projection}.bias": tensor(WIDTH),
    }
    for number in range(DEPTH):
        block = f"encoder.encoder.layer.{number}"
        for part in ("query", "key", "value"):
            state |= layer(f"{block}.attention.attention.{part}", WIDTH, WIDTH)
        state |= layer(f"{block}.attention.output.dense", WIDTH, WIDTH)
        state |= norm(f"{block}.layernorm_before") | norm(f"{block}.layernorm_after")
        state |= layer(f"{block}.intermediate.dense", MLP, WIDTH) | layer(f"{block}.output.dense", WIDTH, MLP)
    state |= norm("encoder.layernorm")
    state |= layer("pool_model.attention_v.1", 32, WIDTH) | layer("pool_model.attention_u.1", 32, WIDTH)
    return state | layer("pool_model.attention", 2, 32)


def classifier_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors of a classifier, as published."""
    random = torch.Generator().manual_seed(100 + seed)
    sizes = {"0": (24, 2 * WIDTH), "3": (12, 24), "6": (len(LOCATIONS), 12)}
    state = {}
    for index, (outputs, inputs) in sizes.items():
        state[f"{index}.weight"] = torch.randn(outputs, inputs, generator=random) * 0.3
        state[f"{index}.bias"] = torch.randn(outputs, generator=random) * 0.3
    return state


def write_checkpoints(folder: Path, channels: int = 4, classifiers: int = 2) -> tuple[Path, list[Path]]:
    """Write an encoder and its classifiers as PyTorch state dicts; return their paths."""
    folder.mkdir(exist_ok=True)
    encoder = folder / "encoder.pth"
    torch.save(encoder_state(channels), encoder)
    heads = [folder / f"classifier_s{number}.pth" for number in range(classifiers)]
    for number, path in enumerate(heads):
        torch.save(classifier_state(number), path)
    return encoder, heads
