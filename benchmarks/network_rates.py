"""The table of measured rates of `puzzlecell plan`, second part: operations per second of networks, on one core.

Prints rows of `src/puzzlecell/planning/measured_rates.py`. The networks are those of the two configurations, with
random weights, and a vision transformer.
Run: OMP_NUM_THREADS=1 python benchmarks/network_rates.py [--batch 16]
"""

import argparse
from functools import partial

import torch
from rates import CLASSES, cpu_seconds, report
from threadpoolctl import threadpool_limits
from torch import Tensor

from puzzlecell.config.network import NetworkSettings
from puzzlecell.config.training import LossSettings
from puzzlecell.network.cam_network import CamNetwork
from puzzlecell.network.memory import channels_last
from puzzlecell.network.puzzle import PuzzleNetwork
from puzzlecell.planning.network_cost import network_cost, segmenter_flop
from puzzlecell.runtime.malloc import keep_freed_memory
from puzzlecell.segmentation.hpa_unet import HpaUnet
from puzzlecell.training.losses import ComboLoss

# Backbone, output stride, sides of a field and of a training crop.
NETWORKS = (
    ("tf_efficientnet_lite0", 16, 192, 192),
    ("seresnext50_32x4d", 32, 512, 384),
    ("seresnext101_32x4d", 32, 512, 384),
    ("cspresnext50", 32, 512, 384),
    ("regnety_064", 32, 512, 384),
    ("vit_small_patch16_224", 16, 512, 384),
)


def prediction(batch: int) -> None:
    """Operations per second of prediction, in batches of `batch` fields."""
    # The segmenter does not keep freed memory, the networks do.
    seconds = predicted(channels_last(HpaUnet().eval()), random_images(4, 576)[:, :3].float() / 255)
    report("infer hpa_dpn", segmenter_flop(576, 576) * 4 / seconds / 1e9, "GFLOP/s")
    keep_freed_memory()
    for backbone, stride, field, crop in NETWORKS:
        settings = NetworkSettings(backbone=backbone, pretrained=False, output_stride=stride)
        network = channels_last(CamNetwork(settings, CLASSES, field, crop)).eval()
        flop = network_cost(settings, field).flop * batch
        report(f"infer {backbone}", flop / predicted(network, random_images(batch, field)) / 1e9, "GFLOP/s")


def training_step(
    puzzle: PuzzleNetwork, loss: ComboLoss, optimiser: torch.optim.Optimizer, crops: Tensor, labels: Tensor
) -> None:
    """One step of a training, as the package makes it."""
    loss(puzzle(crops), labels).total.mean().backward()
    optimiser.step()
    optimiser.zero_grad()


def training(batch: int) -> None:
    """Operations per second of a training step, in batches of `batch` fields."""
    keep_freed_memory()
    for backbone, stride, field, crop in NETWORKS:
        settings = NetworkSettings(backbone=backbone, pretrained=False, output_stride=stride)
        network = channels_last(CamNetwork(settings, CLASSES, field, crop))
        puzzle, loss = PuzzleNetwork(network, 0).train(), ComboLoss(LossSettings())
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
        crops, labels = random_images(batch, crop), torch.zeros(batch, len(CLASSES))
        step = partial(training_step, puzzle, loss, optimiser, crops, labels)
        step()
        flop = 3 * network_cost(settings, crop).flop * batch
        report(f"train {backbone}", flop / min(cpu_seconds(step) for _ in range(3)) / 1e9, "GFLOP/s")


def random_images(batch: int, side: int) -> torch.Tensor:
    images = torch.randint(0, 256, (batch, 4, side, side), dtype=torch.uint8)
    return images.contiguous(memory_format=torch.channels_last)


def predicted(network: torch.nn.Module, images: torch.Tensor) -> float:
    """Processor time of a prediction, the shortest of three, after a first one."""
    with torch.inference_mode():
        network(images[:2])
        return min(cpu_seconds(lambda: network(images)) for _ in range(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16, help="fields per batch (default: %(default)s)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        prediction(given.batch)
        training(given.batch)


if __name__ == "__main__":
    main()
