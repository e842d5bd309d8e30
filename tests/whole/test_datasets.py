"""Data sets by name, from a mirror and from a folder of one's own, and a version of a framework.

The mirror is a server on this machine, with made-up files of Fashion-MNIST's form.
"""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
import yaml

from support import digits
from support.checkouts import checkout, snakemake

IMAGE, CLASSES = (15, 21), 6


def serve_in_the_form_of(name: str, folder: Path, checkout: Path) -> str:
    """Put .gz files for a data set into a folder, and let its file in a checkout know of them."""
    path = checkout / f"workflow/datasets/{name}.yaml"
    content = yaml.safe_load(path.read_text())
    plain = digits.idx_folder(folder, 600, 200)
    for file in content["files"].values():
        data = (plain / file["name"]).read_bytes()
        packed = gzip.compress(data)
        (folder / f"{file['name']}.gz").write_bytes(packed)
        (plain / file["name"]).unlink()
        file["bytes"] = len(data)
        for key, of in (("sha256", data), ("gz_sha256", packed)):
            if key in file:
                file[key] = hashlib.sha256(of).hexdigest()
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout after a run on three data sets, two of them downloaded from here."""
    folder = checkout(tmp_path_factory.mktemp("datasets") / "evenhand")
    served = tmp_path_factory.mktemp("served")
    for name in ("fashion-mnist", "kmnist"):
        serve_in_the_form_of(name, served / name, folder)
    own = digits.idx_folder(folder / "mine", 600, 200, image=IMAGE, classes=CLASSES)
    program = [sys.executable, folder / "workflow/scripts/new_dataset.py", "bars", "mine"]
    facts = ["--label", "Bars", "--shows", "bright bars"]
    subprocess.run([*program, *facts], cwd=folder, check=True)
    for ending in ("yaml", "lock"):
        shutil.copy(folder / f"envs/numpy-cpu.{ending}", folder / f"envs/numpy@2.4-cpu.{ending}")
    handler = partial(SimpleHTTPRequestHandler, directory=served)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        for name in ("fashion-mnist", "kmnist"):
            path = folder / f"workflow/datasets/{name}.yaml"
            content = yaml.safe_load(path.read_text())
            content["mirrors"] = [f"http://127.0.0.1:{server.server_port}/{name}/"]
            path.write_text(yaml.safe_dump(content))
        names = {"clothes": "fashion-mnist", "characters": "kmnist", "bars": "bars"}
        config = {
            "frameworks": ["numpy", "numpy@2.4"],
            "tracks": ["controlled"],
            "rounds": 2,
            "scenarios": {
                scenario: {"dataset": name, "epochs": 2, "hidden_layers": [16]}
                for scenario, name in names.items()
            },
        }
        (folder / "config/config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        try:
            snakemake(folder, no_proxy="127.0.0.1")
        finally:
            server.shutdown()
    assert own.is_dir()
    return folder


@pytest.mark.parametrize("name", ["fashion-mnist", "kmnist", "bars"])
def test_each_data_set_was_recognized_as_its_own(finished, name):
    facts = json.loads((finished / f"results/data/{name}/facts.json").read_text())
    assert facts["original"] is True
    expected = list(IMAGE) if name == "bars" else [28, 28]
    assert (facts["image"], facts["train_images"], facts["test_images"]) == (expected, 600, 200)


def test_the_gate_proves_each_training_in_both_versions(finished):
    gate = pd.read_csv(finished / "results/gate.csv")
    assert gate["passed"].all(), gate.to_string()
    proved = gate.query("tier == 'float64' and check == 'steps'")
    assert set(zip(proved["scenario"], proved["competitor"], strict=True)) == {
        (scenario, name)
        for scenario in ("clothes", "characters", "bars")
        for name in ("numpy-cpu", "numpy@2.4-cpu")
    }
    audit = pd.read_csv(finished / "results/audit.csv")
    assert audit[audit["severity"] == "error"].empty, audit.to_string()


def test_the_page_names_data_and_versions(finished):
    page = (finished / "results/report.html").read_text()
    text = re.sub(r"<pre.*?</pre>|<style.*?</style>", "", page, flags=re.DOTALL)
    assert re.search(r"<h1>[^<]* on Fashion-MNIST", text)
    for words in (
        "scenario characters, Kuzushiji-MNIST",
        "scenario bars, Bars",
        "15\N{NO-BREAK SPACE}×",
    ):
        assert words in text
    assert "articles of clothing, cursive Japanese characters and bright bars" in text
    assert "From one version to another" in text and "not known as" not in text
    assert "workflow/trainers/controlled/numpy_mlp.py" in text
    assert ">Source</a>" not in text, "nothing was claimed of these"


def test_the_comparison_to_paste_names_the_data(finished):
    said = (finished / "results/comparison.md").read_text()
    assert "clothes: Fashion-MNIST; characters: Kuzushiji-MNIST; bars: Bars" in said
