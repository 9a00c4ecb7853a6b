"""The command `puzzlecell view`: what it opens, and what it says where there is nothing to see."""

import webbrowser

import pytest

from puzzlecell.cli.main import main
from puzzlecell.runtime import browser

NO_VIEWER = "there is no viewer of these results; make it with `snakemake --cores all view`"


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Addresses that were opened in a browser from the current folder, that of the test."""
    found = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BROWSER", "some")
    monkeypatch.setattr(webbrowser, "open", lambda address: found.append(address) or True)
    return found


@pytest.mark.parametrize("given", [[], ["results"], ["."]])
def test_it_opens_the_page_from_the_run_or_from_its_results(given, opened, tmp_path, capsys):
    (tmp_path / "results/view").mkdir(parents=True)
    (tmp_path / "results/view/index.html").write_text("")
    assert main(["view", *given]) == 0
    assert opened == [(tmp_path / "results/view/index.html").as_uri()]
    assert capsys.readouterr().out == "results/view/index.html\n"
    assert main(["view", *given, "--no-browser"]) == 0
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["results"], f"results/view/index.html: {NO_VIEWER}"),
        (["elsewhere"], f"elsewhere/view/index.html: {NO_VIEWER}"),
        (["--port", "80"], "--port: is used with --serve only"),
        (["--configfile", "a.yaml"], "--configfile: is used with --serve only"),
        (["elsewhere", "--serve"], "elsewhere: there are no results here"),
        (["results/store", "--serve"], "results/store: there are no results here"),
        (["--serve"], "there is no Snakefile of the run in "),
    ],
)
def test_what_is_missing_is_said(arguments, message, opened, tmp_path, capsys):
    (tmp_path / "results/store").mkdir(parents=True)
    assert main(["view", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert opened == []


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1"])
def test_ports_that_do_not_exist(port, capsys):
    with pytest.raises(SystemExit):
        main(["view", "--serve", f"--port={port}"])
    assert "expected a port from 1 to 65535" in capsys.readouterr().err


def test_without_a_display_no_browser_takes_over_the_terminal(monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda address: pytest.fail("opened"))
    monkeypatch.setattr(browser.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    assert not browser.open_in_browser("http://127.0.0.1:1/")
