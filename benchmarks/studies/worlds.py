"""worlds"""

import argparse
import logging
from pathlib import Path

import yaml
from world_tasks import work


def main() -> None:
    """Do what is left to do."""
    parser = argparse.ArgumentParser()
    parser.add_argument("settings", type=Path)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    study = yaml.safe_load(given.settings.read_text())
    if given.output:
        study["output"] = str(given.output)
    work(study)


if __name__ == "__main__":
    main()
