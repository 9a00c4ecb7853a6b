import os
from dataclasses import replace

import pytest

from puzzlecell.runtime.process import process_of, start_time, this_process

HERE = this_process()


@pytest.mark.parametrize(
    ("changes", "alive"),
    [
        ({}, True),
        ({"started": "1"}, False),  # the number is used again
        ({"pid": 2**22 + 1}, False),
        ({"boot": "an earlier one"}, False),
        ({"boot": "another", "host": "elsewhere"}, None),
        ({"namespace": "of a container"}, None),
    ],
)
def test_only_the_same_process_is_alive(changes, alive):
    process = replace(this_process(), **changes)
    assert process.alive() is alive
    assert process_of(process.as_json()) == process


def test_a_process_that_nobody_has_waited_for_has_ended():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert start_time(pid) is None
    os.waitpid(pid, 0)


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"pid": 1}', "null"])
def test_other_content_names_no_process(content):
    assert process_of(content) is None
