"""Time and memory of each rule, from Snakemake's benchmark files.

Run: python benchmarks/rule_times.py [results/benchmarks]
"""

import sys
from pathlib import Path

import pandas as pd


def benchmark_table(folder: Path) -> str:
    """Return a Markdown table: for each rule its jobs, their total and longest time (s), and peak memory (MiB)."""
    rows = []
    for rule in sorted(
        {path.relative_to(folder).parts[0].removesuffix(".tsv") for path in folder.rglob("*.tsv")}
    ):
        paths = (
            [folder / f"{rule}.tsv"]
            if (folder / f"{rule}.tsv").is_file()
            else sorted((folder / rule).rglob("*.tsv"))
        )
        table = pd.concat([pd.read_csv(path, sep="\t") for path in paths])
        memory = pd.to_numeric(table["max_rss"], errors="coerce").max()
        rows.append((rule, len(table), table["s"].sum(), table["s"].max(), memory))
    lines = ["| rule | jobs | total time (s) | longest (s) | memory (MiB) |", "|---|---|---|---|---|"]
    lines += [
        f"| {rule} | {jobs} | {total:.0f} | {longest:.0f} | {memory:.0f} |"
        for rule, jobs, total, longest, memory in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(benchmark_table(Path(sys.argv[1] if len(sys.argv) > 1 else "results/benchmarks")))
