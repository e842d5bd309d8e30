"""The many seeds kept between folders of results, by Snakemake's cache between workflows."""

import shutil

import pytest

from support.checkouts import checkout, snakemake

SEEDS = "distribution/baseline/pytorch"


@pytest.fixture
def computed(tmp_path):
    """Makes the seeds in an empty folder of results: what they are, and whether it trained."""
    folder = checkout(tmp_path / "evenhand")
    (tmp_path / "cache").mkdir()

    def make() -> tuple[str, bool]:
        for left in ("results", "logs"):
            shutil.rmtree(folder / left, ignore_errors=True)
        variable = {"SNAKEMAKE_OUTPUT_CACHE": str(tmp_path / "cache")}
        snakemake(folder, "--cache", "--", f"results/{SEEDS}.csv", **variable)
        log = folder / f"logs/{SEEDS}.log"  # empty where nothing was run
        return (folder / f"results/{SEEDS}.csv").read_text(), log.stat().st_size > 0

    make.folder = folder
    return make


def test_the_many_seeds_are_trained_once_for_all_folders_of_results(computed):
    first, trained = computed()
    assert trained
    assert computed() == (first, False)


def test_changed_code_trains_the_many_seeds_again(computed):
    computed()
    code = computed.folder / "workflow/scripts/evenhand/model/distribution.py"
    code.write_text(f"{code.read_text()}# a change\n")
    assert computed()[1]
