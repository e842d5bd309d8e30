"""Where a value lies among those of many seeds, and what is said of it."""

from types import SimpleNamespace

import distribution
import made_up
import numpy as np
import pandas as pd
import pytest
import reference
import settings
import tutorial_check
import yaml

SEEDS = np.random.default_rng(0).normal(0.0668, 0.0008, 20)
MEAN, SD = SEEDS.mean(), SEEDS.std(ddof=1)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    ("distance", "runs", "verdict"),
    [
        (0.0, 1, "consistent"),
        (2.2, 1, "consistent"),
        (2.4, 1, "inconsistent"),
        (2.5, 2, "consistent"),
        (2.7, 2, "inconsistent"),
        (2.8, 5, "consistent"),
        (3.0, 5, "inconsistent"),
        (4.1, 10**6, "inconsistent"),  # beyond the margin, no number of runs helps
    ],
)
def test_a_value_is_consistent_near_the_seeds_mean_on_both_sides(sign, distance, runs, verdict):
    found = tutorial_check.place(MEAN + sign * distance * SD, runs, SEEDS)
    assert found["verdict"] == verdict


def consistent_share(distance: float, runs: int) -> float:
    """How often a framework that is so many standard deviations off is called consistent."""
    rng = np.random.default_rng(1)
    found = [
        tutorial_check.place(rng.normal(distance, 1, runs).mean(), runs, rng.normal(size=20))
        for _ in range(1000)
    ]
    return np.mean([row["verdict"] == "consistent" for row in found])


@pytest.mark.parametrize(("runs", "at_least"), [(1, 0.94), (2, 0.99), (5, 1)])
def test_what_belongs_to_the_seeds_is_consistent(runs, at_least):
    assert consistent_share(0, runs) >= at_least


@pytest.mark.parametrize("runs", [1, 2, 5])
def test_what_is_off_by_the_margin_is_consistent_in_one_case_of_twenty(runs):
    assert consistent_share(tutorial_check.MARGIN_SD, runs) == pytest.approx(0.05, abs=0.015)


def test_seeds_that_all_agree_are_consistent_with_their_value_alone():
    assert tutorial_check.place(0.5, 1, np.full(20, 0.5))["verdict"] == "consistent"
    assert tutorial_check.place(0.51, 1, np.full(20, 0.5))["verdict"] == "inconsistent"


# ---- files -----------------------------------------------------------

CONFIG = settings.checked({"data": {"train_images": 300}, "scenarios": {"baseline": {}, "two": {}}})


@pytest.fixture
def results(tmp_path):
    """Three tutorial rounds of PyTorch, and the seeds of two frameworks, around the same values."""
    rng = np.random.default_rng(0)

    def values(rows: int) -> dict[str, np.ndarray]:
        return {
            "average_loss": rng.normal(0.0668, 0.0008, rows),
            "test_accuracy": rng.normal(0.975, 0.001, rows),
        }

    for framework in ("pytorch", "mxnet"):
        table = pd.DataFrame({"seed": range(20), "epoch": 0} | values(20))
        (tmp_path / "baseline").mkdir(exist_ok=True)
        table.to_csv(tmp_path / f"baseline/{framework}.csv", index=False)
    who = {"scenario": "two", "framework": "pytorch", "device": "cpu", "epoch": 0}
    tutorial = pd.DataFrame(values(3)).assign(track="tutorial", round=range(3), **who)
    controlled = tutorial.assign(track="controlled", average_loss=9)
    pd.concat([tutorial, controlled]).to_csv(tmp_path / "epochs.csv", index=False)
    log = {"settings": {"train_images": 300}, "average_loss": [0.0668, 0.05]}
    (tmp_path / "published.yaml").write_text(yaml.safe_dump({"pytorch": log, "other": log}))
    return tmp_path


def run_check(results, config=CONFIG) -> pd.DataFrame:
    files = {
        "epochs": results / "epochs.csv",
        "distributions": sorted(results.glob("baseline/*.csv")),
        "published": results / "published.yaml",
    }
    output = [results / "tutorial_check.csv"]
    tutorial_check.main(
        SimpleNamespace(input=SimpleNamespace(**files), output=output, config=config)
    )
    return pd.read_csv(output[0])


def test_each_run_and_the_mean_of_the_rounds_are_placed_and_no_other_track(results):
    table = run_check(results)
    ours = table[table["source"] != "published"]
    assert (ours["verdict"] == "consistent").all()
    loss = ours[ours["quantity"] == "average_loss"]
    assert loss["source"].tolist() == ["run", "run", "run", "rounds"]
    assert loss["runs"].tolist() == [1, 1, 1, 3]
    assert loss["value"].iloc[3] == pytest.approx(loss["value"].iloc[:3].mean())


def test_a_single_round_has_no_mean_to_be_placed(results):
    epochs = pd.read_csv(results / "epochs.csv")
    epochs[epochs["round"] == 0].to_csv(results / "epochs.csv", index=False)
    assert "rounds" not in set(run_check(results)["source"])


def test_published_values_stand_where_seeds_and_settings_are_theirs(results):
    table = run_check(results)
    published = table[table["source"] == "published"]
    assert published[["framework", "epoch"]].drop_duplicates().values.tolist() == [["pytorch", 0]]
    other = CONFIG | {"data": {"train_images": 200}}
    assert "published" not in set(run_check(results, other)["source"])


@pytest.mark.parametrize("framework", ["pytorch", "mxnet"])
def test_the_distribution_trains_by_the_frameworks_own_rules(tmp_path, framework):
    data = made_up.packed(tmp_path, 300, 100) / "mnist.npz"
    with np.load(data) as made:
        digits = dict(made)
    # Black margins, as MNIST's: in all training images, or in most. The test images have none.
    digits["train_images"][:, :6] = 0
    digits["train_images"][:290, 20:] = 0
    np.savez(data, **digits)
    training = CONFIG["scenarios"]["baseline"] | {"epochs": 2, "hidden_units": 16}
    rules = settings.ROOT / f"workflow/trainers/tutorial/{framework}.yaml"
    output = tmp_path / "distribution.csv"
    distribution.main(
        SimpleNamespace(
            input=SimpleNamespace(rules=rules, data=data),
            output=[output],
            params=SimpleNamespace(training=training, seeds=3),
        )
    )
    table = pd.read_csv(output)
    assert table["seed"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["epoch"].tolist() == [0, 1] * 3
    assert table["average_loss"].nunique() == 6

    # The same seed's weights, drawn and trained here by what docs/gate.md says of the framework.
    rng = np.random.default_rng(1)
    shapes = {"w1": (16, 784), "b1": 16, "w2": (10, 16), "b2": 10}
    inputs = {"w1": 784, "b1": 784, "w2": 16, "b2": 16}
    bounds = {
        "pytorch": {name: 1 / np.sqrt(inputs[name]) for name in shapes},
        "mxnet": {"w1": 0.07, "b1": 0, "w2": 0.07, "b2": 0},
    }[framework]
    weights = reference.Weights(
        *(rng.uniform(-bounds[k], bounds[k], shape) for k, shape in shapes.items())
    )
    (x, y), test_set = reference.data_sets(data, training, "float64")
    epochs = []
    for order in [rng.permutation(300) for _ in range(2)]:
        losses = []
        for batch in np.split(order, [128, 256]):  # the last of 44 images
            a, hidden, logits = reference.forward(x[batch], weights)
            loss, dz = reference.cross_entropy(logits, y[batch])
            rate = 0.1 * (len(batch) / 128 if framework == "mxnet" else 1)
            gradients = reference.backward(x[batch], a, hidden, dz, weights)
            weights = reference.Weights(
                *(w - rate * g for w, g in zip(weights, gradients, strict=True))
            )
            losses.append(loss)
        epochs.append((np.mean(losses), reference.evaluate(*test_set, weights)[1]))
    found = table[["average_loss", "test_accuracy"]][2:4]
    np.testing.assert_allclose(found, epochs, rtol=1e-5)
