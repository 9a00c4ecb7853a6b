"""Fixtures shared by the training tests; created once and never modified."""

import pytest
from helpers.training_data import STATEFUL, make_run, silent, write_fields

from puzzlecell.training.train import train


@pytest.fixture(scope="session")
def training_fields(tmp_path_factory):
    """A shard of small fields and its table."""
    return write_fields(tmp_path_factory.mktemp("fields"))


@pytest.fixture(scope="session")
def uninterrupted(training_fields, tmp_path_factory):
    """Outputs of an uninterrupted training with every stateful component enabled."""
    output = tmp_path_factory.mktemp("uninterrupted")
    train(make_run(*training_fields, output, STATEFUL), silent)
    return output
