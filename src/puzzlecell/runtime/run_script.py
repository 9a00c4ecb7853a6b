"""Run the script of a single job in this process, with its output on the terminal, for debugging.

Run: python -m puzzlecell.runtime.run_script RULE [WILDCARD=VALUE ...] [--configfile FILE], also under a debugger:
python -m pdb -m puzzlecell.runtime.run_script step1 ds=test model=lite0 stage=stage2 sh=000
"""

import argparse
import runpy

from snakemake.exceptions import WorkflowError

from puzzlecell.runtime.loaded_workflow import job_of


def main() -> None:
    """Parse the command line and run the script."""
    parser = argparse.ArgumentParser(prog="python -m puzzlecell.runtime.run_script", description=__doc__)
    parser.add_argument("rule", help="name of a rule, for example step1")
    parser.add_argument("wildcards", nargs="*", metavar="WILDCARD=VALUE", help="for example ds=test sh=000")
    parser.add_argument("--configfile", help="configuration file to use instead of the default")
    options = parser.parse_intermixed_args()
    wildcards = {name: value for name, _, value in (part.partition("=") for part in options.wildcards)}
    try:
        script, snakemake = job_of(options.rule, wildcards, options.configfile)
    except (ValueError, OSError, WorkflowError) as error:
        parser.error(str(error))
    # Without a log, the output stays on the terminal.
    snakemake.log.clear()
    runpy.run_path(str(script), init_globals={"snakemake": snakemake}, run_name="__main__")


if __name__ == "__main__":
    main()
