from puzzlecell.runtime.messages import first_few, first_lines


def test_long_lists_are_shortened():
    assert first_few([1, 2, 3], most=3) == "1, 2, 3"
    assert first_few(["a", "b", "c"], most=2) == "a, b and 1 more"


def test_long_lists_of_lines_are_shortened():
    assert first_lines(["a", "b"], most=2) == ["  a", "  b"]
    assert first_lines(["a", "b", "c"], most=1) == ["  a", "  ... and 2 more"]
