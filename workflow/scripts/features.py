"""Compute the features of the fields of a shard for stages whose backbone is frozen."""

from puzzlecell.data.store import ShardReader
from puzzlecell.inference.features import size_in_words, write_features
from puzzlecell.runtime.devices import one_device
from puzzlecell.runtime.job import job

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    weights = list(given.weights)
    # The user's own weights are read where the settings say.
    start = weights[0] if snakemake.wildcards.encoder != "all" else None
    with job(snakemake) as progress, one_device(params.device.value) as device:
        progress.say(size_in_words(len(ShardReader([given.store])), params.settings))
        write_features(
            snakemake.output[0],
            given.store,
            params.settings,
            init_from=start,
            device=device,
            threads=snakemake.threads,
            progress=progress,
        )
