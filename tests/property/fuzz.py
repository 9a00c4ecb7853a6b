"""Run the property tests again and again with new random examples, and count them.

Run: python tests/property/fuzz.py [--minutes 60 --seed 1]; stops at the first failure and names the seed.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

LONGEST_S = 1800
"""A round that takes longer hangs, and fails."""
HERE = Path(__file__).parent
COUNTED = re.compile(r"^(tests/property/\S+::\S+):$|^ +- (\d+) passing", re.MULTILINE)


def run(seed: int) -> tuple[int, str, Counter]:
    """Run all property tests once; return the exit code, the output and the number of examples of each test."""
    options = [
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "--hypothesis-show-statistics",
        f"--hypothesis-seed={seed}",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(HERE)],
        env={**os.environ, "HYPOTHESIS_PROFILE": "fuzz", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_S,
    )
    examples: Counter = Counter()
    name = ""
    for test, count in COUNTED.findall(done.stdout):
        name = test or name
        examples[name.rpartition("::")[2].partition("[")[0]] += int(count or 0)
    return done.returncode, done.stdout, examples


def main() -> int:
    """Run until the time is up or a test fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the first round")
    options = parser.parse_args()
    started, total, seed = time.monotonic(), Counter(), options.seed
    while time.monotonic() - started < 60 * options.minutes:
        code, output, examples = run(seed)
        total += examples
        minutes = (time.monotonic() - started) / 60
        so_far = f"{minutes:.0f} min, {sum(total.values())} examples"
        print(f"seed {seed}: {sum(examples.values())} examples; {so_far} in all", flush=True)
        if code or not examples:
            print(output, f"failed with --seed {seed}", sep="\n")
            return 1
        seed += 1
    for name, count in sorted(total.items()):
        print(f"{count:9} {name}")
    print(f"{sum(total.values()):9} examples, no failure")
    return 0


if __name__ == "__main__":
    sys.exit(main())
