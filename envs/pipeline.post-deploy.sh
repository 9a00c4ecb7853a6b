#!/usr/bin/env bash
# Installs puzzlecell and its pinned dependencies into the conda environment of envs/pipeline.yaml.
# Snakemake runs it with that environment active, in the folder where snakemake was started: that of the workflow.
set -euo pipefail
if [[ ! -f pyproject.toml || ! -f constraints.txt ]]; then
    echo "$PWD: no pyproject.toml and constraints.txt here; start snakemake in the folder of puzzlecell" >&2
    exit 1
fi
python -m pip install --constraint constraints.txt torch
python -m pip install --constraint constraints.txt --editable ".[pretrained]"
