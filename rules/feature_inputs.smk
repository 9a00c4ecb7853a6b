# Stages with a frozen backbone: whose features they learn from, and whose weights these are made with.
# Of each stage, the one whose features it uses.
FEATURES_OF = {names: frozen_stages.features_of(settings, *names) for names in FROZEN_STAGES}
# Stage of the same model whose weights of each fold the backbone has; None: all folds have the same backbone.
ENCODERS = {names: frozen_stages.encoder_start(settings, *names) for names in FROZEN_STAGES}


def kept_features(wildcards):
    """Features of the data sets of a stage: by the backbone of all folds, or by that of the fold."""
    names = (wildcards.model, wildcards.stage)
    owner = ".".join(FEATURES_OF[names])
    encoder = "all" if ENCODERS[names] is None else f"fold{wildcards.fold}"
    return per_shard(f"results/features/{{ds}}/{owner}/{encoder}/{{sh}}.h5", trained_on(wildcards))


def encoder_weights(wildcards):
    """File with the weights of the backbone: of another stage, or of the user's; none if they are not in a file."""
    names = (wildcards.model, wildcards.stage)
    if ENCODERS[names] is not None:
        return [model_file(wildcards.model, ENCODERS[names], wildcards.encoder.removeprefix("fold"))]
    pretrained = frozen_stages.feature_settings(settings, *names).network.pretrained
    # On this machine, wherever inputs and outputs are.
    return [local(pretrained)] if isinstance(pretrained, str) and pretrained.endswith(".safetensors") else []
