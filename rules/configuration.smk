# Which configuration is used. Its files are checked as text here, because what Snakemake makes of them hides mistakes.
import gc

from snakemake.exceptions import WorkflowError

from puzzlecell.config.yaml_file import file_text_problems
from puzzlecell.runtime.messages import first_lines
from puzzlecell.runtime.snakemake_internals import configuration_files, has_own_configuration

DEFAULT_CONFIGURATION = "config/config.yaml"

# What has been imported so far stays until the end: looking for garbage in it again and again, and once more at the end,
# takes a quarter of the processor time of a job's process.
gc.freeze()

# The processes of jobs get the same files, and they come later.
if workflow.is_main_process:
    problems = file_text_problems(configuration_files(workflow, DEFAULT_CONFIGURATION))
    if problems:
        raise WorkflowError("\n".join(["the configuration cannot be used:", *first_lines(problems)]))


# A configuration given on the command line is complete: nothing of the default is merged into it.
if not has_own_configuration(workflow):

    configfile: DEFAULT_CONFIGURATION
