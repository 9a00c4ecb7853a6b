import os

from rule_times import benchmark_table

from puzzlecell.runtime.fingerprint import fingerprint


def test_everything_that_decides_the_result_counts(tmp_path):
    small, large = tmp_path / "small.csv", tmp_path / "large.h5"
    small.write_text("a")
    large.write_text("b")
    settings = {"loss": {"gamma": 0.5}, "epochs": 3}
    first = fingerprint(settings, [small], [large])
    assert fingerprint({"epochs": 3, "loss": {"gamma": 0.5}}, [small], [large]) == first
    assert fingerprint({"loss": {"gamma": 0.25}, "epochs": 3}, [small], [large]) != first
    os.utime(small, ns=(1, 1))
    assert fingerprint(settings, [small], [large]) == first
    os.utime(large, ns=(1, 1))
    assert fingerprint(settings, [small], [large]) != first
    second = fingerprint(settings, [small], [large])
    small.write_text("c")
    assert fingerprint(settings, [small], [large]) != second


def test_swapped_values_count(tmp_path):
    assert fingerprint({"a": 1, "b": 2}, []) != fingerprint({"a": 2, "b": 1}, [])


def test_benchmarks_are_summed_by_rule(tmp_path):
    head = "s\tmax_rss\n"
    (tmp_path / "ingest/train").mkdir(parents=True)
    (tmp_path / "ingest/train/000.tsv").write_text(head + "2.0\t100\n")
    (tmp_path / "ingest/train/001.tsv").write_text(head + "4.0\t300\n")
    (tmp_path / "submission.tsv").write_text(head + "1.0\t-\n")
    lines = benchmark_table(tmp_path).splitlines()
    assert "| ingest | 2 | 6 | 4 | 300 |" in lines
    assert "| submission | 1 | 1 | 1 | nan |" in lines
