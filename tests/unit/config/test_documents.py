import copy
import json

import jsonschema
import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.cli.main import main
from puzzlecell.config.document import document
from puzzlecell.config.schema import json_schema


def test_the_configuration_page_is_up_to_date():
    page = (ROOT / "docs/configuration.md").read_text()
    assert page == document(), "run: python -m puzzlecell.config.document > docs/configuration.md"


def test_descriptions_end_in_punctuation_and_escape_bars():
    rows = [line for line in document().splitlines() if line.startswith("| `")]
    cells = [row.replace("\\|", "").split("|") for row in rows]
    assert {len(row) for row in cells} == {6}
    texts = [row[4].strip() for row in cells]
    assert all(text[-1] in ".:?" for text in texts)
    assert any(r"mean \|full maps - merged-tile maps\|" in row for row in rows)


def test_the_schema_is_up_to_date(capsys):
    assert main(["schema"]) == 0
    assert (ROOT / "config/schema.json").read_text() == capsys.readouterr().out, (
        "run: puzzlecell schema > config/schema.json"
    )


@pytest.mark.parametrize("name", ["config.yaml", "hpa2021.yaml", "hpa2021-extended.yaml"])
def test_configurations_conform_to_their_schema(name):
    text = (ROOT / "config" / name).read_text()
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    configuration = yaml.safe_load(text)
    jsonschema.validate(configuration, json_schema())
    wrong = copy.deepcopy(configuration)
    model = next(iter(wrong["models"].values()))
    next(iter(model["stages"].values()))["training"] = {"epoch": 3}
    with pytest.raises(jsonschema.ValidationError, match="epoch"):
        jsonschema.validate(wrong, json_schema())
    assert json.loads(json.dumps(json_schema()))["$defs"]["SegmentationSettings"]["properties"]["method"][
        "enum"
    ]
