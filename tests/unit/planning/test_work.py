import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from puzzlecell.config.network import InputSettings, NetworkSettings
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings, TtaSettings
from puzzlecell.config.training import TrainingSettings
from puzzlecell.config.view import ViewSettings
from puzzlecell.network.cam_network import CamNetwork
from puzzlecell.network.frozen import feature_shape
from puzzlecell.network.puzzle import PuzzleNetwork
from puzzlecell.planning.measured_rates import SECONDS
from puzzlecell.planning.network_cost import network_cost, segmenter_flop
from puzzlecell.planning.work import (
    Stage,
    cells_work,
    features_work,
    ingest_work,
    segment_work,
    simulation_work,
    step1_work,
    step2_work,
    train_head_work,
    train_work,
    unlike_work,
    view_pictures,
    view_work,
)

SMALL = NetworkSettings(backbone="test_resnet", pretrained=False, output_stride=8)
STAGE = Stage(SMALL, 64, 32, folds=2)
ALL_VIEWS = TtaSettings(flip=True, rotate=True)


def training(**changes):
    given = {
        "network": SMALL,
        "input": InputSettings(field_size=64, crop_size=32),
        "batch_size": 4,
        "epochs": 3,
    }
    return TrainingSettings(**{**given, **changes})


def counted(work):
    """Operations that PyTorch counts while it computes."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def test_the_cost_of_a_network_is_what_it_computes():
    network = CamNetwork(SMALL, [str(number) for number in range(19)], 64, 32).eval()
    images = torch.zeros(1, 4, 64, 64)
    assert network_cost(SMALL, 64).flop == counted(lambda: network(images))
    tensors = network.state_dict().values()
    assert network_cost(SMALL, 64).weight_bytes == sum(t.numel() * t.element_size() for t in tensors)


def test_a_published_figure():
    # 4.3 billion multiply-adds at 224 pixels with a classifier for 1000 classes (timm's results table).
    found = network_cost(NetworkSettings(backbone="seresnext50_32x4d", pretrained=False), 224).flop
    assert found / 2e9 == pytest.approx(4.3, rel=0.02)


def test_a_training_epoch_is_what_it_computes():
    # The first layer needs no gradient of its input, hence a little less than three times the forward pass.
    puzzle = PuzzleNetwork(CamNetwork(SMALL, [str(number) for number in range(19)], 64, 32), 2)
    crops, fields = torch.zeros(4, 4, 32, 32), torch.zeros(2, 4, 64, 64)

    def step():
        output = puzzle(crops)
        (output.maps.sum() + output.tile_maps.sum()).backward()

    def validation():
        with torch.no_grad():
            puzzle.eval()(fields)

    steps = counted(step) + counted(validation)
    work = train_work(training(epochs=1), 4, 2)
    assert steps / 1e9 <= work.gflop == pytest.approx(steps / 1e9, rel=0.1)


def test_pictures_of_the_viewer_are_as_many_as_are_configured():
    """A million cells in 10 shards: (19 x 3,500 + 2,000) / 10 pictures of 96 pixels and 200 fields of 512."""
    found = view_pictures(ViewSettings(), 19, 100_000, 5000, 10)
    assert found == pytest.approx(4 * (6850 * 96**2 + 200 * 512**2) / 1e6)
    assert view_pictures(ViewSettings(), 19, 10, 1, 10) == pytest.approx(4 * (10 * 96**2 + 512**2) / 1e6)


@pytest.mark.parametrize(
    ("make", "times"),
    [
        (lambda n: simulation_work(10 * n, 64), 3),
        (lambda n: ingest_work(10 * n, 40 * n), 3),
        (lambda n: segment_work(SegmentationSettings(), 10 * n, 64, 0.64), 3),
        (lambda n: segment_work(SegmentationSettings(method="hpa_dpn"), 10 * n, 64, 0.32), 3),
        (lambda n: train_work(training(), 8 * n, 4 * n), 3),
        (lambda n: features_work(training(), 10 * n), 3),
        (lambda n: train_head_work(training(), 8 * n, 4 * n), 3),
        (lambda n: step1_work(STAGE, Step1Settings(), 10 * n, 64), 3),
        (lambda n: step2_work(STAGE, Step2Settings(), 100 * n), 3),
        (lambda n: cells_work("score", 100 * n), 3),
        (lambda n: view_work(100 * n, view_pictures(ViewSettings(), 19, 100 * n, 10 * n, 1)), 3),
    ],
)
def test_work_grows_with_the_fields(make, times):
    one, more = make(1), make(times)
    assert more.amount == pytest.approx(times * one.amount)
    assert more.gflop == pytest.approx(times * one.gflop)
    assert more.parts == pytest.approx({name: times * number for name, number in one.parts.items()})
    # Each has a rate of its own.
    assert one.parts
    assert one.parts.keys() <= SECONDS.keys()


FULL, CROP = (network_cost(SMALL, size).flop / 1e9 for size in (64, 32))


@pytest.mark.parametrize(
    ("work", "gflop"),
    [
        # Three epochs: 9 fields are three batches of 4, each with a backward pass and a second pass over the tiles.
        (train_work(training(), 9, 5), 3 * (12 * CROP * 2 * 3 + 5 * FULL * 2)),
        (train_work(training(puzzle={"pieces": 0}), 9, 5), 3 * (12 * CROP * 3 + 5 * FULL)),
        (train_work(training(puzzle={"validate_tiles": False}), 9, 5), 3 * (12 * CROP * 2 * 3 + 5 * FULL)),
        (train_work(training(samples_per_epoch=2), 9, 5), 3 * (4 * CROP * 2 * 3 + 5 * FULL * 2)),
        (train_work(training(), 9, 5, epochs=1), 12 * CROP * 2 * 3 + 5 * FULL * 2),
        (step1_work(STAGE, Step1Settings(), 5, 64), 5 * 2 * FULL),
        (step1_work(STAGE, Step1Settings(tta=ALL_VIEWS), 5, 64), 5 * 2 * 8 * FULL),
        (unlike_work(STAGE, 5, 256), 5 * FULL),
        # One view and its mirror image.
        (features_work(training(features={"flip": True, "rotate": False}), 5), 5 * 2 * FULL),
        (features_work(training(features={"flip": True, "rotate": True}), 5), 5 * 8 * FULL),
        # Canvas of half a field, and of a training crop.
        (step2_work(STAGE, Step2Settings(), 7), 7 * 2 * CROP),
        (step2_work(STAGE, Step2Settings(crop=64), 7), 7 * 2 * FULL),
        (step2_work(STAGE, Step2Settings(scale="enlarged"), 7), 7 * 2 * CROP),
        # 512 pixels, padded to 576: two networks.
        (
            segment_work(SegmentationSettings(method="hpa_dpn"), 3, 512, 0.32),
            3 * 2 * segmenter_flop(576, 576) / 1e9,
        ),
    ],
)
def test_operations_by_hand(work, gflop):
    assert work.gflop == pytest.approx(gflop)


def test_features_are_read_once_an_epoch_in_two_bytes_each():
    features, height, width = feature_shape(training())
    megabytes = features * height * width * 2 / 1e6
    # Nine fields are three batches of four.
    assert train_head_work(training(), 9, 5).amount == pytest.approx(3 * (12 + 5) * megabytes)
    parts = features_work(training(features={"flip": False}), 7).parts
    assert parts == pytest.approx({"features MB": 7 * megabytes})


def test_finer_fields_are_segmented_at_the_pixel_size_of_the_segmenter():
    settings = SegmentationSettings()
    fine, coarse = (segment_work(settings, 1, 1024, pixel_um) for pixel_um in (0.16, 0.32))
    assert fine.parts["classical Mpx"] == pytest.approx(coarse.parts["classical Mpx"] / 4)


def test_other_segmenters_have_no_rate():
    assert not segment_work(SegmentationSettings(method="cellpose"), 1, 64, 1.0).parts
