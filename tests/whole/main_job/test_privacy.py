"""What people share of a results folder names neither its user nor a machine."""

import json
import os
import re
from pathlib import Path

import check_statements
import yaml
from PIL import Image

from evenhand.core.config import checked
from support import digits, records, results
from support.checkouts import copy, snakemake
from toolbox.machine import where

# Not for sharing, see docs/report.md.
OWN = ("secret/*", "doctor/*/*.surroundings.json", "environments/*-*/**/*", "images/*")


def shared(folder: Path) -> dict[str, str]:
    """What every file of a results folder that is for sharing says, without any block `where`."""
    own = {path for pattern in OWN for path in folder.glob(pattern)}
    there = {*folder.rglob("*"), *folder.glob("environments/*.json")}  # whose folder may be a link
    files = [path for path in sorted(there - own) if path.is_file()]
    return {
        str(path.relative_to(folder)): said(path)
        for path in files
        if path.suffix not in (".npy", ".npz") and "ubyte" not in path.name
    }


def said(path: Path) -> str:
    """The text of a file; of a picture, what is written beside its pixels."""
    if path.suffix == ".png":
        return str(Image.open(path).info)
    pixels_and_style = r'base64,[\w+/=\s]+|<style>.*?</style>| class="[^"]*"'
    text = re.sub(pixels_and_style, "", path.read_text(), flags=re.DOTALL)
    content = json.loads(text) if path.suffix == ".json" else None
    if isinstance(content, dict):
        content.pop("where", None)
        return json.dumps(content)
    return text


def naming(texts: dict[str, str], *names: str) -> list[tuple[str, str]]:
    """Which of the names stand in which of the texts, as words of their own."""
    return [
        (file, name)
        for file, text in texts.items()
        for name in names
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    ]


def test_real_runs_leave_no_name_of_a_user_or_a_machine(finished):
    texts = shared(finished / "results")
    kinds = ("report.html", "runs.csv", "facts.json", "figures/", "runs/", "rounds/", "doctor/")
    assert all(any(kind in file for file in texts) for kind in (*kinds, "environments/"))
    names = [str(finished), os.path.expanduser("~"), where()["node"], where()["boot"]]
    assert naming(texts, *names) == []


def test_what_errors_and_settings_say_of_a_user_is_on_no_page_and_in_no_table(tmp_path):
    """A statement's error, and the settings of the data; no framework is needed."""
    folder = copy(tmp_path / "evenhand")
    mine = digits.idx_folder(tmp_path / "Jane Doe/digits", 1, 1)
    mirrors = ["https://jane:hunter2@swordfish@mirror.example/mnist?token=abc123"]
    config = results.config(rounds=2, data={"folder": str(mine), "mirrors": mirrors})
    records.make(folder / "results", checked(config))
    error = f"cannot import name 'x' from 'torch' ({folder}/torch/__init__.py) on {where()['node']}"

    def shape_argument():
        raise ImportError(error)

    answer = {"framework": "pytorch", "device": "cpu", "versions": {}}
    answer |= check_statements.answer(shape_argument, receipt={})
    (folder / "results/statements/pytorch-cpu.json").write_text(json.dumps([answer]))
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    only = ["--rerun-triggers", "mtime", "--allowed-rules", *records.AFTER_RUNS]
    snakemake(folder, "results/report.html", *only)
    texts = shared(folder / "results")
    assert "cannot import name" in texts["report.html"] and "mirror.example" in texts["report.html"]
    names = [str(tmp_path), "Jane Doe", "jane", "hunter2", "swordfish", "abc123", where()["node"]]
    assert naming(texts, *names) == []
