from helpers.paths import ROOT

from puzzlecell.config.document import document


def test_the_page_of_the_configuration_is_that_of_the_code():
    page = (ROOT / "docs/configuration.md").read_text()
    assert page == document(), "run: python -m puzzlecell.config.document > docs/configuration.md"
