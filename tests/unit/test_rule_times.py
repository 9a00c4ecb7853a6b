from rule_times import benchmark_table


def test_benchmarks_are_summed_by_rule(tmp_path):
    head = "s\tmax_rss\n"
    (tmp_path / "ingest/train").mkdir(parents=True)
    (tmp_path / "ingest/train/000.tsv").write_text(head + "2.0\t100\n")
    (tmp_path / "ingest/train/001.tsv").write_text(head + "4.0\t300\n")
    (tmp_path / "submission.tsv").write_text(head + "1.0\t-\n")
    lines = benchmark_table(tmp_path).splitlines()
    assert "| ingest | 2 | 6 | 4 | 300 |" in lines
    assert "| submission | 1 | 1 | 1 | nan |" in lines
