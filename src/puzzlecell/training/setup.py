"""Setup of a training: everything created once, before the first step."""

import logging
from dataclasses import dataclass, field
from typing import Literal, TypedDict, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from puzzlecell.config.training import ComputeSettings, TrainingSettings
from puzzlecell.data.feature_maps import check_encoder
from puzzlecell.network._timm import ModelEmaV3
from puzzlecell.network.cam_network import CamNetwork
from puzzlecell.network.frozen import HeadNetwork, encoder_digest
from puzzlecell.network.memory import channels_last
from puzzlecell.network.puzzle import PuzzleNetwork
from puzzlecell.network.starting import starting_network
from puzzlecell.runtime.malloc import keep_freed_memory
from puzzlecell.training.dataloaders import make_loaders
from puzzlecell.training.losses import ComboLoss
from puzzlecell.training.optim import LearningRate, make_optimiser, make_running_mean
from puzzlecell.training.run import TrainingError, TrainingRun
from puzzlecell.training.sampler import EpochBatches

log = logging.getLogger(__name__)


class Best(TypedDict):
    """The best epoch so far; a plain dict, so the saved state can hold it as is."""

    epoch: int
    value: float
    """Value of the `best_metric`."""
    file: str
    """Name of the weights file, in the folder of the saved state."""
    probabilities: Tensor
    """(N, C) predictions for the held-out fields or cells."""


@dataclass
class Session:
    """The components of a training; `checkpoint.session_state` saves everything that changes."""

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
    """Completed steps of the current epoch."""
    updates: int = 0
    """Updates of the exponential moving average so far."""
    sums: Tensor = field(init=False)
    """(4,) sums of the loss and its three parts over the fields or cells of the current epoch seen by this process."""
    seconds: float = 0.0
    """Time in seconds spent on the steps of the current epoch."""
    history: list[dict[str, float]] = field(default_factory=list)
    best: Best | None = None

    def __post_init__(self):
        self.sums = torch.zeros(4, device=self.fabric.device)

    @property
    def steps(self) -> int:
        """Return the number of steps per epoch."""
        return self.batches.steps

    @property
    def evaluated(self) -> CamNetwork:
        """Return the network to validate and save: the exponential moving average, if there is one."""
        return self.network if self.mean is None else self.mean.module

    def summed(self) -> Tensor:
        """Return `sums`, added up over all processes."""
        sums = self.sums.clone()
        if self.fabric.world_size > 1:
            torch.distributed.all_reduce(sums)
        return sums


def make_fabric(run: TrainingRun) -> Fabric:
    """Return the Fabric for the devices and precision of a run; raises TrainingError if they are incompatible."""
    device = torch.device(run.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise TrainingError("a CUDA device is requested, but PyTorch finds none")
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
            f"compute.gpus: {run.world} GPUs are configured, but the job has only one ({device}); set it to 1, or give "
            "the job that many GPUs"
        )
    return Fabric(
        accelerator=device.type,
        devices=[device.index] if numbered else run.world,
        strategy="ddp_spawn" if run.world > 1 else "auto",
        precision=precisions[choice],
        # With a cluster environment detected from a batch system's variables, Fabric would wait for processes that
        # nobody starts.
        plugins=[LightningEnvironment()],
    )


def make_session(run: TrainingRun, fabric: Fabric) -> Session:
    """Create the network, optimiser, data loaders and everything else needed for the first step, on the device.

    Raises DamagedFileError for features of another backbone than the frozen one of this training.
    """
    settings, device = run.settings, fabric.device
    torch.manual_seed(settings.seed)
    if device.type == "cpu" and settings.compute.keep_memory:
        keep_freed_memory()
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    network = starting_network(settings, list(run.classes), run.init_from)
    if settings.network.frozen:
        check_encoder(run.stores, encoder_digest(network))
    network = laid_out(network, settings.compute, fabric.world_size).to(device)
    mean = None if settings.ema is None else make_running_mean(network, settings.ema)
    module = as_shown(network, settings)
    if settings.compute.compile:
        module = cast(nn.Module, torch.compile(module))
    wrapped, optimiser = fabric.setup(module, make_optimiser(network, settings.optimiser))
    # From here on, dropout differs between the processes.
    torch.manual_seed(settings.seed + 1 + fabric.global_rank)
    batches, training, validation = make_loaders(run, fabric)
    rate = LearningRate(
        settings.schedule,
        settings.optimiser.learning_rate,
        batches.steps,
        settings.epochs,
        settings.best_metric,
    )
    loss = ComboLoss(settings.loss, partly=run.cells is not None)
    return Session(run, fabric, network, wrapped, optimiser, rate, loss, mean, batches, training, validation)


def as_shown(network: CamNetwork, settings: TrainingSettings) -> nn.Module:
    """Return the module that sees the batches: fields and their tiles, or features if the backbone is frozen."""
    if settings.network.frozen:
        return HeadNetwork(network)
    return PuzzleNetwork(network, settings.puzzle.side)


def laid_out(network: CamNetwork, compute: ComputeSettings, world: int) -> CamNetwork:
    """Apply the configured memory format, and batch normalisation synchronised over `world` processes."""
    if compute.sync_batchnorm and world > 1:
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return channels_last(network) if compute.channels_last else network
