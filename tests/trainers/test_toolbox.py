"""The toolbox: flags, records, and what a run makes of several hidden layers."""

import dataclasses
import errno
import json
from pathlib import Path

import numpy as np
import pytest

from evenhand.core import axes
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.schemas import schema
from evenhand.model import protocol, reference, restarts
from support import launching, records
from support.checkouts import ON_CPU
from toolbox import settings
from toolbox.record import (
    Environment,
    Epoch,
    Measured,
    NotARecord,
    Record,
    Requested,
    is_sealed,
    sealed,
    write,
)
from toolbox.run import Run, installed
from toolbox.settings import Settings

DEEP = (784, 16, 8, 10)


def parsed(flags: list[str]) -> Settings:
    """The settings that a trainer reads from these flags."""
    read = vars(settings.parser().parse_args(flags))
    return Settings(**read | {"layers": tuple(read["layers"])})


@pytest.mark.fast
def test_flags_say_what_the_settings_say():
    usual = Settings(data=Path("a folder"))
    assert parsed(usual.flags()) == usual
    other = Settings(
        data=Path("d"),
        protocol=Path("p.npz"),
        device="cuda",
        dtype="float64",
        seed=2**31 - 1,
        epochs=3,
        batch_size=7,
        learning_rate=1e-7,
        layers=DEEP,
        pixel_mean=-0.1,
        pixel_std=1 / 3,
        loader_workers=0,
    )
    same = [
        f.name for f in dataclasses.fields(Settings) if vars(usual)[f.name] == vars(other)[f.name]
    ]
    assert not same, "the test leaves a flag out"
    assert parsed(other.flags()) == other


@pytest.mark.fast
def test_a_trainer_without_flags_trains_as_the_tutorial_does():
    assert parsed(["--data", "d"]) == Settings(data=Path("d"))
    training = Experiment(checked({})).training("baseline")
    requested = Settings.of(training, data=Path("d"))
    assert dataclasses.replace(requested, layers=tuple(requested.layers)) == Settings(
        data=Path("d")
    )


@pytest.mark.fast
def test_settings_are_what_of_a_training_concerns_the_trainer():
    scenario = {"hidden_layers": [32, 16], "epochs": 2, "threads": 3}
    training = Experiment(checked({"scenarios": {"deep": scenario}})).training("deep")
    requested = Settings.of(training, data=Path("d"), seed=5)
    assert (requested.layers, requested.epochs, requested.seed) == ([784, 32, 16, 10], 2, 5)
    assert "--layers 784 32 16 10" in " ".join(requested.flags())
    assert "threads" not in " ".join(requested.flags())


@pytest.mark.fast
def test_a_record_is_read_as_it_was_written(tmp_path):
    record = records.record()
    record.write(tmp_path / "record.json")
    assert Record.read(tmp_path / "record.json") == record
    assert Record.from_dict(record.to_dict()) == record
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.fast
@pytest.mark.parametrize(
    ("value", "of"),
    [
        (Record, schema("record")),
        (Requested, schema("record")["properties"]["requested"]),
        (Environment, schema("record")["properties"]["environment"]),
        (Measured, schema("record")["properties"]["measured"]),
        (Epoch, schema("record")["properties"]["measured"]["properties"]["epochs"]["items"]),
    ],
)
def test_a_record_has_the_fields_of_its_schema(value, of):
    fields = {field.name for field in dataclasses.fields(value)}
    assert fields == set(of["properties"]) - {"schema", "seal"}


@pytest.mark.fast
@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "null", '"text"', "{}", '{"id": "1"}', '{"measured": null}', "\udcff"],
)
def test_what_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(NotARecord):
        Record.read(path)


@pytest.mark.fast
def test_the_true_names_can_be_taken_out_and_cannot_be_changed():
    content = records.record().to_dict()
    assert is_sealed(content)
    shared = {key: value for key, value in content.items() if key != "where"}
    assert is_sealed(shared)
    assert Record.from_dict(shared).where is None
    assert not is_sealed(content | {"where": content["where"] | {"node": "another"}})
    assert not is_sealed(content | {"where": None, "where_sha256": "0" * 64})


@pytest.mark.fast
@pytest.mark.parametrize("section", [None, "requested", "environment", "measured", "epoch"])
def test_a_record_with_a_field_too_few_or_too_many_is_refused(section):
    def sections(content: dict) -> dict:
        if section == "epoch":
            return content["measured"]["epochs"][0]
        return content[section] if section else content

    content = records.record().to_dict()
    sections(content)["more"] = 1
    with pytest.raises(NotARecord, match="more"):
        Record.from_dict(content)

    content = records.record().to_dict()
    removed = next(key for key in reversed(sections(content)) if key not in ("where", "seal"))
    del sections(content)[removed]
    with pytest.raises(NotARecord, match=removed):
        Record.from_dict(content)


@pytest.mark.fast
def test_packages_are_those_of_the_environment_that_have_a_name(tmp_path, monkeypatch):
    """Another folder on the path is a library's own matter; pip may leave a folder behind."""
    site_packages, vendored = tmp_path / "site-packages", tmp_path / "setuptools/_vendor"
    for folder, name in ((site_packages, "Here"), (vendored, "there")):
        (folder / f"{name}-1.0.dist-info").mkdir(parents=True)
        metadata = folder / f"{name}-1.0.dist-info/METADATA"
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        monkeypatch.syspath_prepend(folder)
    (site_packages / "gone-1.0.dist-info").mkdir()
    assert installed([str(site_packages)]) == {"here": "1.0"}


def test_a_seal_shows_a_change_and_not_an_order():
    content = records.record().to_dict()
    assert is_sealed(content)
    assert is_sealed(dict(reversed(content.items())))
    assert is_sealed(json.loads(json.dumps(content)))
    assert not is_sealed(content | {"id": "1" * 32})
    assert not is_sealed({key: value for key, value in content.items() if key != "seal"})
    assert sealed(content) == content


@pytest.mark.fast
def test_a_record_without_a_finite_number_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path / "record.json", {"seconds": float("nan")})
    assert not (tmp_path / "record.json").exists()


@pytest.mark.fast
def test_a_full_disk_leaves_no_part_of_a_file_and_the_one_before(tmp_path, monkeypatch):
    write(tmp_path / "record.json", {"before": True})
    monkeypatch.setattr(Path, "write_bytes", on_a_full_disk)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "record.json", {"before": False})
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    assert json.loads((tmp_path / "record.json").read_text()) == {"before": True}


def on_a_full_disk(path: Path, content: bytes) -> int:
    """What the disk has room for is written, and then none is left."""
    with open(path, "wb") as file:
        file.write(content[:3])
    raise OSError(errno.ENOSPC, "No space left on device")


def train(
    folder: Path, trainer: str | Path, requested: Settings, image=(28, 28), **launch
) -> Record:
    """The record of a trainer's run in a folder, on images of this size."""
    launching.prepare(folder, requested=requested, image=image)
    done = launching.launch(folder, launching.TRAINERS / trainer, requested, **launch)
    assert done.returncode == 0, done.stderr
    return Record.read(folder / "record.json")


def assert_agrees_with_the_reference(folder: Path, record: Record, requested: Settings) -> None:
    """Step losses within the gate's limit, and what the toolbox evaluated as well."""
    expected = launching.expected(folder, requested)
    losses = np.load(folder / "record.losses.npy")
    np.testing.assert_allclose(losses, expected["losses"], rtol=0, atol=1e-12)
    for name in ("test_loss", "test_accuracy"):
        evaluated = [getattr(epoch, name) for epoch in record.measured.epochs]
        np.testing.assert_allclose(evaluated, expected[name], rtol=0, atol=1e-12)


@pytest.mark.fast
@pytest.mark.parametrize("layers", [(784, 16, 10), DEEP, (784, 12, 9, 8, 7, 10)])
def test_numpy_trains_any_number_of_hidden_layers_as_the_reference_does(tmp_path, layers):
    requested = launching.settings(layers=layers, dtype="float64")
    record = train(tmp_path, "controlled/numpy_mlp.py", requested)
    assert record.requested.layers == list(layers)
    assert_agrees_with_the_reference(tmp_path, record, requested)


@pytest.mark.parametrize(
    "framework",
    [name for name in ON_CPU if name != "numpy" and axes.trainer("controlled", name).exists()],
)
def test_frameworks_train_several_hidden_layers_as_the_reference_does(
    tmp_path, environments, framework
):
    requested = launching.settings(layers=DEEP, dtype="float64")
    python = environments / f"{framework}-cpu/bin/python"
    of = axes.framework(framework)["variables"]
    trainer = axes.trainer("controlled", framework)
    record = train(tmp_path, trainer, requested, python=python, **of)
    assert_agrees_with_the_reference(tmp_path, record, requested)


@pytest.mark.parametrize(
    "trainer",
    sorted(
        str(path.relative_to(launching.TRAINERS)) for path in launching.TRAINERS.glob("*/*_mlp.py")
    ),
)
def test_every_trainer_learns_images_of_any_size_with_several_hidden_layers(
    tmp_path, environments, trainer
):
    """Made-up digits are easy: after some epochs nearly all are classified right."""
    image = (22, 17)
    requested = launching.settings(
        layers=(22 * 17, 64, 32, 7), epochs=10, batch_size=16, loader_workers=1
    )
    track, name = trainer.removesuffix("_mlp.py").split("/")
    if axes.track(track)["start"] == "own":
        requested = dataclasses.replace(requested, protocol=None)
    python = environments / f"{name}-cpu/bin/python"
    of = axes.framework(name)["variables"]
    record = train(tmp_path, trainer, requested, image, python=python, **of)
    assert record.measured.epochs[-1].average_loss < record.measured.epochs[0].average_loss / 2
    assert record.measured.epochs[-1].test_accuracy > 0.9


def test_the_order_of_an_epoch_is_not_handed_over_before_its_clock(tmp_path, monkeypatch):
    folder = launching.prepare(tmp_path)
    monkeypatch.chdir(folder)
    results = ["--losses", "losses.npy", "--result", "result.json"]
    run = Run.from_flags([*launching.settings().flags(), *results])
    epoch = next(run.epochs())
    told = {
        name: value for of in (run, epoch) for name, value in vars(of).items() if name[0] != "_"
    }
    assert not [name for name, value in told.items() if isinstance(value, np.ndarray)]
    with pytest.raises(RuntimeError, match="outside of its clock"):
        next(epoch.batches(np.arange(9)))
    with pytest.raises(RuntimeError, match="before finish"), epoch.clock() as order:
        assert sorted(order) == list(range(launching.IMAGES))
        next(epoch.batches(order))


# ---- An epoch as a whole, and restarts -------------------------------

SIZES = {"layers": (4, 3, 2), "batch_size": 4, "epochs": 2, "learning_rate": 0.5}


def prepared(folder: Path, images: int = 10, **flags) -> Run:
    """A run of a tiny training whose files lie in a folder."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, 2, 2), dtype=np.uint8)
    labels = rng.integers(0, 2, images, dtype=np.uint8)
    parts = {"train_images": pixels, "train_labels": labels}
    np.savez(folder / "images.npz", **parts, test_images=pixels, test_labels=labels)
    given = protocol.sample(0, 0, SIZES["layers"], SIZES["epochs"], images)
    np.savez(folder / "protocol.npz", **given)
    asked = Settings(data=folder, protocol=folder / "protocol.npz", **SIZES | flags)
    outputs = ["--losses", folder / "losses.npy", "--result", folder / "result.json"]
    return Run.from_flags([*asked.flags(), *map(str, outputs)])


@pytest.mark.fast
@pytest.mark.parametrize("images", [10, 8, 3])
def test_an_epoch_as_a_whole_has_the_batches_of_an_epoch_in_parts(tmp_path, images):
    run = prepared(tmp_path, images)
    for epoch in run.epochs():
        with epoch.clock() as order:
            full, rest = epoch.whole(order)
            assert full.shape[1] == 4 and len(rest) == images % 4
            np.testing.assert_array_equal([*full.ravel(), *rest], order)
            epoch.losses = [1.0] * (len(full) + bool(len(rest)))
            epoch.finish(run.initial_weights())
    run.finish(device="cpu")
    result = json.loads((tmp_path / "result.json").read_text())["measured"]
    assert [(of["steps"], of["images"]) for of in result["epochs"]] == [
        (-(-images // 4), images)
    ] * 2
    assert result["first_step_seconds"] is None


@pytest.mark.fast
def test_an_epoch_as_a_whole_is_taken_within_its_clock(tmp_path):
    epoch = next(prepared(tmp_path).epochs())
    with pytest.raises(RuntimeError, match="outside of its clock"):
        epoch.whole(np.arange(10))


@pytest.mark.fast
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_operation_without_float64_has_its_twin_there_and_is_named_in_both(tmp_path, dtype):
    run = prepared(tmp_path, dtype=dtype)
    chosen = run.twin("a fast product", "fast", "plain", restart=print)
    assert chosen == {"float32": "fast", "float64": "plain"}[dtype]
    assert run.twins == ["a fast product"]


@pytest.mark.fast
def test_an_operation_that_is_its_own_twin_is_none(tmp_path):
    run = prepared(tmp_path)
    assert run.twin("a product", "plain", "plain", restart=print) == "plain"
    assert run.twins == [] and run.restart is print


def restarted(folder: Path, wrong_update: float = 1.0, forgets: bool = False) -> np.ndarray:
    """How far each step of a small trainer is off the reference, restarted at each step.

    `wrong_update`: a factor of its updates. `forgets`: it does not take the weights it is given.
    """
    run = prepared(folder)
    images, labels = run.training_set()
    weights = [w.astype(np.float64) for w in run.initial_weights()]
    given = dict(np.load(folder / "protocol.npz"))
    start = reference.weights_of(given, "float64")
    training = (images, labels), start, given["order"]
    more = run.batch_size, run.learning_rate
    truth = reference.train(training[0], training[0], *training[1:], *more)
    restarts.write(folder / "weights.npy", *training, *more, truth["nearest_zero"])
    run.flags.restarts = folder / "weights.npy"

    def restart(arrays):
        for weight, array in zip(weights, arrays, strict=True):
            if not forgets:
                weight[...] = array

    run.twin("none", None, None, restart)
    for epoch in run.epochs():
        with epoch.clock() as order:
            for batch in epoch.batches(order):
                layers = [reference.Layer(*weights[i : i + 2]) for i in (0, 2)]
                inputs, sums = reference.forward(images[batch], layers)
                loss, dz = reference.cross_entropy(sums[-1], labels[batch])
                gradients = reference.backward(inputs, sums, dz, layers)
                for weight, gradient in zip(
                    weights, [g for layer in gradients for g in layer], strict=True
                ):
                    weight -= wrong_update * run.learning_rate * gradient
                epoch.losses.append(loss)
            epoch.finish(weights)
    run.finish(device="cpu")
    counted = json.loads((folder / "result.json").read_text())["measured"]["epochs"]
    assert [(of["steps"], of["images"]) for of in counted] == [(3, 10)] * 2
    return np.abs(np.load(folder / "losses.npy") - truth["losses"])


@pytest.mark.fast
def test_a_step_is_restarted_from_the_references_weights(tmp_path):
    assert restarted(tmp_path).max() < 1e-6


@pytest.mark.fast
def test_a_wrong_update_shows_at_every_step_but_an_epochs_first(tmp_path):
    off = restarted(tmp_path, wrong_update=1.01)
    assert off[:, 0].max() < 1e-6 and off[:, 1:].min() > 1e-5


@pytest.mark.fast
def test_who_does_not_take_the_weights_that_it_is_given_is_seen(tmp_path):
    assert restarted(tmp_path, wrong_update=1.5, forgets=True)[1].max() > 1e-3


@pytest.mark.fast
def test_a_whole_epoch_cannot_be_restarted_step_by_step(tmp_path):
    run = prepared(tmp_path)
    run.flags.restarts = tmp_path / "weights.npy"
    epoch = next(run.epochs())
    with pytest.raises(RuntimeError, match="cannot be restarted"), epoch.clock() as order:
        epoch.whole(order)
