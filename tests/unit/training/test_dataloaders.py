import numpy as np
import pytest
import torch
from helpers.training_data import CLASSES, write_fields

from puzzlecell.config.augmentation import NONE
from puzzlecell.data.resize import sized_field
from puzzlecell.data.store import ShardReader
from puzzlecell.training.augment import Augmenter
from puzzlecell.training.dataloaders import TrainingFields, WholeFields
from puzzlecell.training.samples import collate


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    store, table = write_fields(tmp_path_factory.mktemp("fields"), fields=5)
    return ShardReader([store]), table["ID"].tolist(), table[CLASSES].to_numpy()


def test_reduced_fields_are_area_means():
    field = np.random.default_rng(0).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    means = field.reshape(4, 2, 4, 2, 4).mean((1, 3))
    # Rounded to whole grey levels.
    np.testing.assert_allclose(sized_field(field, 4), means, atol=0.5)
    assert sized_field(field, 8) is field


def test_fields_are_not_enlarged():
    with pytest.raises(ValueError, match="16 is more than the store's 8 pixels"):
        sized_field(np.zeros((8, 8, 4), np.uint8), 16)


def test_whole_fields_equal_the_stored_ones(data):
    reader, ids, labels = data
    fields = WholeFields(reader, ids, labels, 64)
    image, label, row, share = fields[3]
    assert np.array_equal(image, reader.read(ids[3]))
    assert label.tolist() == labels[3].tolist()
    assert (row, share, len(fields)) == (3, None, 5)


def test_training_fields_are_cropped_and_keep_their_labels(data):
    reader, ids, labels = data
    fields = TrainingFields(reader, ids, labels, 32, Augmenter(NONE, 16, seed=0))
    image, label, row, _ = fields[(0, 7, 2)]
    assert image.shape == (16, 16, 4)
    assert label.tolist() == labels[2].tolist()
    assert row == 2
    whole = sized_field(reader.read(ids[2]), 32)
    assert any(np.array_equal(image, whole[y : y + 16, x : x + 16]) for y in range(17) for x in range(17))


def test_a_batch_is_uint8_and_channels_last(data):
    reader, ids, labels = data
    fields = WholeFields(reader, ids, labels, 64)
    batch = collate([fields[row] for row in (4, 0)])
    assert batch.images.shape == (2, 64, 64, 4)
    assert batch.images.dtype == torch.uint8
    assert batch.images.permute(0, 3, 1, 2).is_contiguous(memory_format=torch.channels_last)
    assert batch.labels.dtype == torch.float32
    assert batch.rows.tolist() == [4, 0]
