import sys

from puzzlecell.runtime.progress import default_progress


class Terminal:
    """A stream that says it is a terminal."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return True


def test_lines_in_a_log(caplog):
    caplog.set_level("INFO")
    report = default_progress("fold 1", every_s=1000)
    for done in range(1, 4):
        report(done, 4)
    report(3, 4, "epoch 1: fine")
    report(4, 4)
    assert [record.message.strip() for record in caplog.records] == [
        "fold 1: 3/4 epoch 1: fine",
        "fold 1: 4/4",
    ]


def test_a_line_each_few_seconds(caplog):
    caplog.set_level("INFO")
    report = default_progress("fold 1", every_s=0)
    report(1, 4)
    assert "fold 1: 1/4" in caplog.text


def test_a_bar_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    report = default_progress("fold 1")
    report(2, 4, "epoch 1: fine")
    report(4, 4)
    assert "fold 1: 2/4 epoch 1: fine" in terminal.text
    assert "100%" in terminal.text
