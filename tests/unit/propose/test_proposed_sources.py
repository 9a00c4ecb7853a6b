"""Proposed patterns find the images as `datasets.<ds>.naming` understands them."""

import pytest
from test_propose_naming import CASES

from puzzlecell.config.datasets import DatasetSettings
from puzzlecell.config.naming import CHANNELS
from puzzlecell.data.field_sources import RawDataset, field_sources
from puzzlecell.propose.naming import UNDECIDED, propose_naming


@pytest.mark.parametrize("case", CASES)
def test_proposed_patterns_find_all_images(tmp_path, case):
    names = CASES[case][0]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = propose_naming(names)
    # Where the names do not tell, a person fills in the words in their order.
    left = iter(word for word in found.words if word not in found.channels.values())
    channels = {
        channel: next(left, None) if word == UNDECIDED else word for channel, word in found.channels.items()
    }
    if not found.words:
        channels = dict(zip(CHANNELS, (0, 1, 2, None), strict=True))
    settings = DatasetSettings(role="test", naming=found.naming, ID=found.id_form, channels=channels)
    sources = field_sources(RawDataset(tmp_path, None, False, layout=settings.layout))
    assert sources.ids == tuple(sorted(found.files))
    for field_id in sources.ids:
        assert sources[field_id].problem is None
        expected = [found.files[field_id].get(word if found.words else "") for word in channels.values()]
        shown = [plane and plane.path.removeprefix(f"{tmp_path}/") for plane in sources[field_id].planes]
        pairs = zip(expected, channels.values(), strict=True)
        assert shown == [name if word is not None else None for name, word in pairs]
