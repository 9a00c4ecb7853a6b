"""A training in progress: everything that is set up once, before its first step."""

import logging
from dataclasses import dataclass, field
from typing import Literal, TypedDict, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from puzzlecell.config.training import ComputeSettings
from puzzlecell.network._timm import ModelEmaV3
from puzzlecell.network.backbone import NetworkError
from puzzlecell.network.cam_network import CamNetwork, build_network, load_network
from puzzlecell.network.memory import channels_last
from puzzlecell.network.puzzle import PuzzleNetwork
from puzzlecell.runtime.malloc import keep_freed_memory
from puzzlecell.training.dataloaders import make_loaders
from puzzlecell.training.losses import ComboLoss
from puzzlecell.training.optim import LearningRate, make_optimiser, make_running_mean
from puzzlecell.training.run import TrainingError, TrainingRun
from puzzlecell.training.sampler import EpochBatches

log = logging.getLogger(__name__)


class Best(TypedDict):
    """The best epoch so far; a plain dict, so that it goes into the saved state as it is."""

    epoch: int
    value: float
    """Its `best_metric`."""
    file: str
    """Name of the file with its weights, in the folder of the saved state."""
    probabilities: Tensor
    """(N, C) predictions for the held-out fields."""


@dataclass
class Session:
    """The parts of a training; `checkpoint.session_state` saves all that changes."""

    run: TrainingRun
    fabric: Fabric
    network: CamNetwork
    module: _FabricModule
    optimiser: _FabricOptimizer
    rate: LearningRate
    loss: ComboLoss
    mean: ModelEmaV3 | None
    batches: EpochBatches
    training: DataLoader
    validation: DataLoader
    epoch: int = 0
    step: int = 0
    """Steps made of the current epoch."""
    updates: int = 0
    """Updates of the running mean so far."""
    sums: Tensor = field(init=False)
    """(4,) sums over the current epoch's fields, those that this process saw, of the loss and its three parts."""
    seconds: float = 0.0
    """Time spent on the current epoch's steps."""
    history: list[dict[str, float]] = field(default_factory=list)
    best: Best | None = None

    def __post_init__(self):
        self.sums = torch.zeros(4, device=self.fabric.device)

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return self.batches.steps

    @property
    def evaluated(self) -> CamNetwork:
        """The network that is validated and saved: the running mean where there is one."""
        return self.network if self.mean is None else self.mean.module

    def summed(self) -> Tensor:
        """`sums` over all processes."""
        sums = self.sums.clone()
        if self.fabric.world_size > 1:
            torch.distributed.all_reduce(sums)
        return sums


def make_fabric(run: TrainingRun) -> Fabric:
    """Devices and precision of a run. Raises TrainingError where they do not go together."""
    device = torch.device(run.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise TrainingError("a CUDA device is asked for, but PyTorch finds none")
    choice = run.settings.compute.precision
    if choice == "fp16" and device.type == "cpu":
        raise TrainingError("compute.precision: fp16 needs a GPU; use auto, float32 or bf16 on a CPU")
    if choice == "auto":
        choice = "float32" if device.type == "cpu" else "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    precisions: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
        "float32": "32-true",
        "bf16": "bf16-mixed",
        "fp16": "16-mixed",
    }
    numbered = device.index is not None and device.type == "cuda"
    if numbered and run.world > 1:
        raise TrainingError(
            f"compute.gpus: {run.world} GPUs are configured, but the job has one ({device}); set it to 1, or give the "
            "job as many"
        )
    return Fabric(
        accelerator=device.type,
        devices=[device.index] if numbered else run.world,
        strategy="ddp_spawn" if run.world > 1 else "auto",
        precision=precisions[choice],
        # A batch system's own variables would make Fabric wait for processes that it is not told to start.
        plugins=[LightningEnvironment()],
    )


def make_session(run: TrainingRun, fabric: Fabric) -> Session:
    """Build network, optimiser, data and all else, on the device, ready for the first step."""
    settings, device = run.settings, fabric.device
    torch.manual_seed(settings.seed)
    if device.type == "cpu" and settings.compute.keep_memory:
        keep_freed_memory()
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    network = laid_out(starting_network(run), settings.compute, fabric.world_size).to(device)
    mean = None if settings.ema is None else make_running_mean(network, settings.ema)
    module: nn.Module = PuzzleNetwork(network, settings.puzzle.side)
    if settings.compute.compile:
        module = cast(nn.Module, torch.compile(module))
    wrapped, optimiser = fabric.setup(module, make_optimiser(network, settings.optimiser))
    # From here on processes differ in what is dropped at random.
    torch.manual_seed(settings.seed + 1 + fabric.global_rank)
    batches, training, validation = make_loaders(run, fabric)
    rate = LearningRate(
        settings.schedule,
        settings.optimiser.learning_rate,
        batches.steps,
        settings.epochs,
        settings.best_metric,
    )
    loss = ComboLoss(settings.loss)
    return Session(run, fabric, network, wrapped, optimiser, rate, loss, mean, batches, training, validation)


def laid_out(network: CamNetwork, compute: ComputeSettings, world: int) -> CamNetwork:
    """The network with its weights in the configured order, and batch statistics shared by `world` processes."""
    if compute.sync_batchnorm and world > 1:
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return channels_last(network) if compute.channels_last else network


def starting_network(run: TrainingRun) -> CamNetwork:
    """The network with its first weights. Raises NetworkError where they cannot be had."""
    settings = run.settings
    network = build_network(settings.network, settings.input, run.classes, pretrained=run.init_from is None)
    if run.init_from is None:
        return network
    parent = load_network(run.init_from)
    if parent.classes != network.classes:
        raise NetworkError(f"{run.init_from} knows other classes: {', '.join(parent.classes)}")
    try:
        network.load_state_dict(parent.state_dict())
    except RuntimeError as error:
        raise NetworkError(
            f"{run.init_from} holds a {parent.settings.backbone} at output stride "
            f"{parent.settings.output_stride}, which does not fit {settings.network.backbone} at "
            f"{settings.network.output_stride}: a stage must have "
            "the network of the stage it starts from"
        ) from error
    return network
