import numpy as np
import pytest

from puzzlecell.config.training import SamplerSettings
from puzzlecell.training.sampler import EpochBatches, epoch_order, field_weights

LABELS = np.array(
    # a  b  c  d  none has e
    [
        [1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 1, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0],
    ]
)


def test_capped_weights_by_hand():
    """Classes have 4, 2, 1, 1 fields: weights 1/4, 1/2, 1, 1. The third largest, 1/2, is the cap."""
    weights = field_weights(LABELS, SamplerSettings(kind="capped"))
    quarter, mixed, cap = 1 / 4, (1 / 4 + 1 / 2) / 2, 1 / 2
    assert weights.tolist() == [quarter, quarter, quarter, mixed, cap, cap, quarter]


def test_a_lower_rank_caps_less():
    weights = field_weights(LABELS, SamplerSettings(kind="capped", cap_rank=1))
    assert weights[4] == 0.75
    assert weights[5] == 1


def test_a_rank_beyond_the_classes_uses_the_last_one():
    weights = field_weights(LABELS, SamplerSettings(kind="capped", cap_rank=99))
    assert set(weights) == {1 / 4}


def test_inverse_median_weights_by_hand():
    """Median count of the classes that occur is 1.5: weights 0.375, 0.75, 1.5, 1.5, clipped to [0.5, 1.2]."""
    weights = field_weights(LABELS, SamplerSettings(kind="inverse", clip=(0.5, 1.2)))
    assert weights.tolist() == [0.5, 0.5, 0.5, 0.75, 1.2, 1.2, 0.5]


def test_inverse_log_weights_by_hand():
    weights = field_weights(LABELS, SamplerSettings(kind="inverse", inverse_by="log", clip=(0.1, 10)))
    assert weights[0] == pytest.approx(np.log(7 / 4))
    assert weights[4] == pytest.approx(np.log(7))


def test_no_weights_and_no_labels():
    assert field_weights(LABELS, SamplerSettings(kind="none")) is None
    with pytest.raises(ValueError, match="no training field has a label"):
        field_weights(np.zeros((3, 2)), SamplerSettings())


def test_draws_follow_the_weights():
    order = epoch_order(3, np.array([1.0, 2.0, 1.0]), 40_000, seed=1, epoch=0)
    share = np.bincount(order) / len(order)
    # Four standard deviations of a binomial share.
    np.testing.assert_allclose(share, [0.25, 0.5, 0.25], atol=4 * 0.5 / np.sqrt(40_000))


def test_without_weights_every_field_is_drawn_once_before_any_is_repeated():
    order = epoch_order(10, None, 25, seed=1, epoch=0)
    assert sorted(order[:10]) == sorted(order[10:20]) == list(range(10))
    assert len(order) == 25


def test_orders_depend_only_on_seed_and_epoch():
    orders = [
        tuple(epoch_order(50, None, 50, seed, epoch)) for seed, epoch in [(1, 0), (1, 0), (1, 1), (2, 0)]
    ]
    assert orders[0] == orders[1]
    assert len(set(orders)) == 3


def make(**changes):
    given = {"fields": 20, "weights": None, "samples": 18, "batch_size": 4, "seed": 3, **changes}
    return EpochBatches(**given)


def test_samples_are_rounded_up_to_whole_batches():
    batches = make()
    assert batches.steps == len(batches) == 5
    assert [len(batch) for batch in batches] == [4] * 5
    assert [place for batch in batches for _, place, _ in batch] == list(range(20))


def test_a_resumed_epoch_continues_where_it_stopped():
    batches = make()
    batches.epoch = 2
    whole = list(batches)
    batches.first_step = 3
    assert list(batches) == whole[3:]
    assert all(epoch == 2 for batch in whole for epoch, _, _ in batch)


def test_parts_and_processes_share_the_same_global_batch():
    whole = list(make())
    shares = [list(make(parts=2, rank=rank, world=2)) for rank in range(2)]
    for step in range(5):
        joined = [place for part in range(2) for rank in range(2) for place in shares[rank][2 * step + part]]
        assert joined == whole[step]


def test_a_batch_that_cannot_be_shared_evenly_is_an_error():
    with pytest.raises(ValueError, match="4 cannot be divided among 3 processes"):
        make(world=3)
