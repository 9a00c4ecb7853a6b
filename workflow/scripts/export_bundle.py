"""Write the networks, classes and settings of the run as a bundle."""

from puzzlecell.bundle.export import export_bundle, run_files
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    with job(snakemake) as progress:
        export_bundle(snakemake.output[0], snakemake.params.settings, run_files(snakemake), progress)
