# Files of this machine that jobs declare as inputs: in a run with a bucket they are sent there.
import re

from puzzlecell.config.reader_checks import table_path
from puzzlecell.runtime.fingerprint import files_digest

READY = [
    checkpoint_path(stage.checkpoints, fold)
    for given in settings.models.values()
    for stage in given.stages.values()
    if stage.checkpoints is not None
    for fold in FOLDS
]
# Weights and tables of locations of models from elsewhere.
READ_BY = [path for given in READERS.values() for path in (given.weights, given.locations)]
FOREIGN_TABLES = [
    path
    for pattern in FOREIGN.values()
    for ds in settings.datasets
    if exists(path := table_path(pattern, ds))
]
OWN_THRESHOLDS = [settings.fields.threshold_file] if settings.fields.threshold_file else []
OWN_CALIBRATION = [] if CALIBRATION in (None, RUN_CALIBRATION) else [CALIBRATION]
KEPT_LOOK = [] if LOOK in (None, RUN_LOOK) else [LOOK]
LICENCE = [settings.bundle.licence] if settings.bundle.licence else []
OWN_FILES = [
    settings.classes,
    *LICENCE,
    *READY,
    *READ_BY,
    *FOREIGN_TABLES,
    *OWN_THRESHOLDS,
    *KEPT_LOOK,
    *OWN_CALIBRATION,
]
SENT = {path.lstrip("/"): path for path in OWN_FILES}

if BUCKET:

    rule send:
        input:
            lambda wildcards: local(SENT[wildcards.sent]),
        output:
            "{sent}",
        log:
            "results/logs/send/{sent}.log",
        wildcard_constraints:
            sent="|".join(map(re.escape, SENT)),
        localrule: True
        conda:
            "../envs/pipeline.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            # Notices a file that was replaced by an older one.
            lambda wildcards: f"file: {files_digest([SENT[wildcards.sent]])}",
        message:
            "Send {wildcards.sent} to the bucket"
        shell:
            "cp {input:q} {output:q} > {log:q} 2>&1"
