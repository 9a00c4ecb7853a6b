import pytest

from puzzlecell.planning.table import amount, duration, megabytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (duration(0), "0 s"),
        (duration(0.44), "0.4 s"),
        (duration(99), "99 s"),
        (duration(100), "1.7 min"),
        (duration(3600), "60 min"),
        (duration(2 * 3600), "2.0 h"),
        (duration(1204.4 * 3600), "1,204 h"),
        (megabytes(190), "190 MB"),
        (megabytes(16000), "16 GB"),
        (amount(12.34, "Mpx"), "12.3 Mpx"),
        (amount(1234.4, "cells"), "1,234 cells"),
        (amount(7.17e9, "GFLOP"), "7.17 EFLOP"),
        (amount(0.5, "GFLOP"), "0.5 GFLOP"),
    ],
)
def test_numbers_are_short(text, expected):
    assert text == expected
