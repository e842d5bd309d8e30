"""What the tutorial's training gives over many seeds, by NumPy, for one framework.

In float32, as the tutorial trains, with the framework's own initializer and last-batch rule, which
stand beside its tutorial trainer.
"""

import sys

import numpy as np
import pandas as pd
import protocol
import reference
import yaml


def trained(seed: int, rules: dict, training: dict, train_set, test_set) -> pd.DataFrame:
    """One seed's row for each epoch: average_loss, the mean of batch means, and test_accuracy.

    ``rules``: initializer (bounds of weights and biases), last_batch ("its own size" or
    "batch_size": what divides the sum of its gradients). ``training``: a scenario's settings.
    """
    rng = np.random.default_rng(seed)
    weights = protocol.initial_weights(rng, training["hidden_units"], **rules["initializer"])
    run = reference.train(
        train_set,
        test_set,
        reference.Weights(**weights),
        protocol.batch_order(rng, training["epochs"], len(train_set[1])),
        training["batch_size"],
        training["learning_rate"],
        divide_by_batch_size=rules["last_batch"] == "batch_size",
    )
    average_loss = run["losses"].mean(axis=1)
    rows = {"average_loss": average_loss, "test_accuracy": run["test_accuracy"]}
    return pd.DataFrame({"seed": seed, "epoch": range(len(average_loss)), **rows})


def main(snakemake) -> None:
    with open(snakemake.input.rules) as file:
        rules = yaml.safe_load(file)
    training = snakemake.params.training
    train_set, test_set = reference.data_sets(snakemake.input.data, training, "float32")
    seeds = []
    for seed in range(snakemake.params.seeds):
        seeds.append(trained(seed, rules, training, train_set, test_set))
        print(seeds[-1].to_string(index=False, header=seed == 0), flush=True)
    pd.concat(seeds).to_csv(snakemake.output[0], index=False)


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    main(snakemake)
