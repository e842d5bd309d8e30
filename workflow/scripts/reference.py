"""Train a round in NumPy float64."""

import numpy as np

from evenhand.core.program import log_to
from evenhand.model import reference

if __name__ == "__main__":
    log_to(snakemake.log[0])
    params = snakemake.params
    sets = reference.data_sets(snakemake.input.data, params.pixel_mean, params.pixel_std, "float64")
    with np.load(snakemake.input.protocol) as protocol:
        weights, order = reference.weights_of(protocol, "float64"), protocol["order"]
    # One framework's optimizer holds it in float32, so everybody trains with that number.
    learning_rate = float(np.float32(params.learning_rate))
    run = reference.train(*sets, weights, order, params.batch_size, learning_rate)
    np.savez(snakemake.output[0], **run)
