"""The chunk `run`."""

import yaml
from helpers.paths import ROOT

from puzzlecell.config.workflow import load_configuration
from puzzlecell.formats.class_colours import class_colours
from puzzlecell.viewer.index import run_content


def test_classes_have_the_colours_of_exported_files():
    names = ["Nucleoplasm", "Negative", "Cytosol"]
    settings = load_configuration(yaml.safe_load((ROOT / "config/config.yaml").read_text()), files=False)
    content = run_content({}, settings, names, negative=1, calibration=None)
    colours = class_colours(names, "Negative")
    assert content["colours"] == ["#{:02x}{:02x}{:02x}".format(*colours[name]) for name in names]
    assert content["colours"][1] == "#bebebe"
