from pathlib import Path

from puzzlecell.config.document import document

ROOT = Path(__file__).parents[2]


def test_the_page_of_the_configuration_is_that_of_the_code():
    page = (ROOT / "docs/configuration.md").read_text()
    assert page == document(), "run: python -m puzzlecell.config.document > docs/configuration.md"
