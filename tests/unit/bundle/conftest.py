"""A bundle without a run."""

import pytest
from helpers.bundles import write_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(folder, folder / "bundle")
    return folder / "bundle"
