import re

# Files that the configuration names and that jobs declare as inputs: they are sent to the bucket.
READY = [
    checkpoint_path(stage.checkpoints, fold)
    for given in settings.models.values()
    for stage in given.stages.values()
    if stage.checkpoints is not None
    for fold in FOLDS
]
SENT = {path.lstrip("/"): path for path in [settings.classes, *READY]}

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
        message:
            "Send {wildcards.sent} to the bucket"
        shell:
            "cp {input:q} {output:q} > {log:q} 2>&1"
