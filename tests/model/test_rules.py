"""What makes Snakemake compute the reference and its kin again, and what does not."""

import shutil
import zipfile

import pytest
import yaml

from support import checkouts

ALL = ["protocol", "reference", "distribution"]
TARGETS = ["results/reference/baseline/0.npz", "results/distribution/baseline/pytorch.csv"]
# Without a track that the reference judges, no runs come before it.
CONFIG = {"tracks": ["tutorial"], "scenarios": {"baseline": {"epochs": 2}}}


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """A checkout with a protocol, a reference and a distribution."""
    folder = checkouts.checkout(tmp_path_factory.mktemp("model") / "evenhand", **CONFIG)
    checkouts.snakemake(folder, *TARGETS)
    return folder


@pytest.fixture
def configured(computed):
    """Change the configuration for one test."""
    file = computed / "config/config.yaml"
    before = file.read_text()

    def change(**changes):
        config = yaml.safe_load(before)
        config["scenarios"]["baseline"] |= changes
        file.write_text(yaml.safe_dump(config))

    yield change
    file.write_text(before)


def due(folder):
    planned = checkouts.planned(folder, *TARGETS)
    return [rule for rule in ALL if rule in planned]


def test_nothing_is_computed_twice(computed):
    assert due(computed) == []


@pytest.mark.parametrize(("round_", "rehearsals"), [(0, 8), (1, 0)])
def test_a_reference_is_made_after_all_that_it_judges(round_, rehearsals, tmp_path):
    """Runs of its own round, in each scenario of the same training, which then cannot read it."""
    alone, other = {"threads": 1}, {"threads": 1, "batch_size": 64}
    scenarios = {"baseline": {}, "one-thread": alone, "other": other}
    folder = checkouts.checkout(tmp_path / "evenhand", tracks=["controlled"], scenarios=scenarios)
    jobs = checkouts.planned(folder, f"results/reference/baseline/{round_}.npz")
    assert (jobs["train"], jobs["round"]) == (8, 2)
    assert jobs.get("rehearse", 0) == rehearsals


def test_a_protocol_bears_no_date(computed):
    with zipfile.ZipFile(computed / "results/protocol/baseline/0.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"threads": 1}, []),
        ({"loader_workers": 1}, []),
        ({"learning_rate": 0.2}, ["reference", "distribution"]),
        ({"pixel_mean": 0.5}, ["reference", "distribution"]),
        ({"batch_size": 64}, ["reference", "distribution"]),
        ({"hidden_layers": [32, 16]}, ALL),
        ({"epochs": 3}, ALL),
    ],
)
def test_a_setting_concerns_those_that_use_it(change, again, computed, configured):
    configured(**change)
    assert due(computed) == again


@pytest.mark.parametrize(
    ("edited", "again"),
    [
        ("workflow/scripts/evenhand/model/reference.py", ["reference", "distribution"]),
        ("workflow/scripts/evenhand/model/distribution.py", ["distribution"]),
        ("workflow/trainers/toolbox/run.py", []),
    ],
)
def test_an_edit_concerns_those_that_import_it(edited, again, tmp_path, computed):
    folder = tmp_path / "evenhand"
    shutil.copytree(computed, folder, symlinks=True)
    with (folder / edited).open("a") as code:
        code.write("\n# edited\n")
    assert due(folder) == again


def test_of_a_frameworks_file_only_its_rules_concern_the_distribution(tmp_path, computed):
    file = computed / "workflow/frameworks/pytorch.yaml"
    before = file.read_text()
    try:
        file.write_text(before.replace("#D55E00", "#D55E01"))
        assert due(computed) == []
        file.write_text(before.replace("own size", "batch size"))
        assert due(computed) == ["distribution"]
    finally:
        file.write_text(before)
