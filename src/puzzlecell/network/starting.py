"""Networks as a training begins with them: from pretrained weights, or from those of another stage."""

import os

import torch

from puzzlecell.config.training import TrainingSettings
from puzzlecell.network.cam_network import CamNetwork, build_network, load_network
from puzzlecell.network.network_file import NetworkError


def starting_network(
    settings: TrainingSettings, classes: list[str], init_from: str | os.PathLike | None
) -> CamNetwork:
    """Return the network with its initial weights; raises NetworkError if they are unavailable or do not fit.

    init_from: model.safetensors of the stage to start from; None: pretrained weights, or random ones.
    """
    network = build_network(settings.network, settings.input, classes, pretrained=init_from is None)
    if init_from is None:
        return network
    parent = load_network(init_from)
    if parent.classes != network.classes:
        raise NetworkError(f"{init_from} was trained on other classes: {', '.join(parent.classes)}")
    return _with_weights_of(parent, network, init_from)


def starting_encoder(settings: TrainingSettings, init_from: str | os.PathLike | None) -> CamNetwork:
    """Return a network whose backbone has the initial weights of a training, for any classes, in evaluation mode.

    Random weights are those of a training with the same seed. Raises the errors of `starting_network`.
    """
    torch.manual_seed(settings.seed)
    classes = load_network(init_from).classes if init_from else ["-"]
    return starting_network(settings, classes, init_from).eval()


def _with_weights_of(parent: CamNetwork, network: CamNetwork, path: str | os.PathLike) -> CamNetwork:
    try:
        network.load_state_dict(parent.state_dict())
    except RuntimeError as error:
        found, expected = parent.settings, network.settings
        raise NetworkError(
            f"{path} holds a {found.backbone} at output stride {found.output_stride}, which does not fit "
            f"{expected.backbone} at {expected.output_stride}: a stage must use the same network as the stage it "
            "starts from"
        ) from error
    return network
