"""Check every record and every round before anything is compared.

In the workflow it writes results/audit.csv. From the command line it prints its findings and tells
by its exit status: 0 nothing found, 3 errors found, 2 it could not be asked so.

    python workflow/scripts/audit.py [results]
"""

import argparse
import json
import sys
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from environment import canonical, locked_versions
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "workflow/trainers"))

from toolbox.record import is_sealed, sha256  # noqa: E402, found through the line above

COLUMNS = ["track", "scenario", "round", "framework", "device", "competitor"]
COLUMNS += ["severity", "check", "finding", "file"]
# Members of a round that run later than this after one another were not back to back.
GAP_SECONDS = 60
# What frameworks call a device, where it is not our word for it.
DEVICE_NAMES = {"gpu": "cuda"}
# What a clock may lack or have too much of: rounding of the numbers, and no more.
CLOCK_SECONDS = 0.01


def schema(name: str) -> Draft202012Validator:
    text = (ROOT / f"workflow/schemas/{name}.schema.yaml").read_text()
    return Draft202012Validator(yaml.safe_load(text))


class Audit:
    """Findings about the records and rounds of one results folder."""

    def __init__(self, results: Path, root: Path = ROOT):
        self.results, self.root = results, root
        self.findings: list[dict] = []
        self.record_schema, self.round_schema = schema("record"), schema("round")

    def table(self) -> pd.DataFrame:
        table = pd.DataFrame(self.findings, columns=COLUMNS)
        return table.sort_values([*COLUMNS[:3], "competitor", "severity", "check"])

    def find(self, where: dict, check: str, finding: str, severity: str = "error") -> None:
        self.findings.append(where | {"severity": severity, "check": check, "finding": finding})

    def everything(self, records: list[Path], rounds: list[Path]) -> None:
        """Audit these rounds and the records that belong to them."""
        members: dict[tuple, list[tuple[dict, dict]]] = {}
        opened = {}
        for path in rounds:
            track, scenario, number = path.parent.parent.name, path.parent.name, path.stem
            opened[track, scenario, number] = self.round(path)
        seen: dict[str, str] = {}
        for path in records:
            where = self.place(path)
            key = where["track"], where["scenario"], str(where["round"])
            record = self.record(path, where, opened.get(key))
            if record is None:
                continue
            if record["id"] in seen:
                self.find(where, "duplicate", f"the same run as {seen[record['id']]}")
            seen.setdefault(record["id"], str(path))
            members.setdefault(key, []).append((where, record))
        for key, content in opened.items():
            if content is not None:
                self.members(key, content, members.get(key, []))

    def left_out(self, unfit: dict[str, str]) -> None:
        """Name the competitors that were asked for and that the doctor, saying why, kept out."""
        for competitor, why in unfit.items():
            framework, _, device = competitor.rpartition("-")
            who = {"competitor": competitor, "framework": framework, "device": device}
            self.find(who, "left out", f"takes no part, the doctor found it unfit: {why}", "note")

    def place(self, path: Path) -> dict:
        """What the path results/runs/TRACK/SCENARIO/ROUND/FRAMEWORK-DEVICE.json says."""
        track, scenario, number = path.parts[-4:-1]
        framework, _, device = path.stem.rpartition("-")
        return {
            "track": track,
            "scenario": scenario,
            "round": int(number),
            "framework": framework,
            "device": device,
            "competitor": path.stem,
            "file": str(path),
        }

    def read(self, path: Path, where: dict, validator: Draft202012Validator) -> dict | None:
        """The content of a file that follows its schema; otherwise a finding and None."""
        try:
            content = json.loads(path.read_text(), parse_constant=not_finite)
        except FileNotFoundError:
            self.find(where, "missing", "the file is not there")
            return None
        except ValueError as error:
            self.find(where, "schema", f"not whole JSON with finite numbers: {error}")
            return None
        for error in validator.iter_errors(content):
            at = ".".join(map(str, error.absolute_path)) or "the file"
            self.find(where, "schema", f"{at}: {error.message[:200]}")
            return None
        return content

    def round(self, path: Path) -> dict | None:
        where = {"track": path.parent.parent.name, "scenario": path.parent.name}
        where |= {"round": int(path.stem), "file": str(path)}
        content = self.read(path, where, self.round_schema)
        if content and [content[k] for k in ("track", "scenario", "round")] != [
            where[k] for k in ("track", "scenario", "round")
        ]:
            self.find(where, "identity", "the file tells of another round than its path")
        return content

    def record(self, path: Path, where: dict, opened: dict | None) -> dict | None:
        """Check one record by itself and against its round, its lock, and its files."""
        record = self.read(path, where, self.record_schema)
        if record is None:
            return None
        asked, ran, measured = record["asked"], record["ran"], record["measured"]
        if not is_sealed(record):
            self.find(where, "seal", "changed after it was written: the seal does not fit")
        identity = ("track", "scenario", "round", "framework", "device")
        if any(asked[key] != where[key] for key in identity):
            told = "/".join(str(asked[key]) for key in identity)
            self.find(where, "identity", f"tells of another run than its path: {told}")
        self.work(asked, measured, where)
        self.clocks(measured, where)
        self.losses(path, asked, measured, where)
        if DEVICE_NAMES.get(ran["device"], ran["device"]) != asked["device"]:
            self.find(where, "device", f"asked for {asked['device']}, worked on {ran['device']}")
        trainer = ROOT / f"workflow/trainers/{where['track']}/{where['framework']}_mlp.py"
        if trainer.exists() and sha256(trainer) != ran["trainer_sha256"]:
            self.find(where, "trainer", "another trainer ran than the one that is shown")
        if asked["device"] == "cuda":
            self.gpu(ran.get("gpu"), measured.get("gpu"), where)
        self.packages(ran, where)
        if asked["threads"] != "default" and (
            wrong := {k: n for k, n in ran["threads"].items() if n and n > asked["threads"]}
        ):
            told = ", ".join(f"{pool} {count}" for pool, count in wrong.items())
            self.find(where, "threads", f"asked for {asked['threads']} threads, used {told}")
        if opened is None:
            self.find(where, "round", "the file that opened its round is missing or wrong")
        else:
            self.against_round(record, opened, where)
        return record

    def work(self, asked: dict, measured: dict, where: dict) -> None:
        """Every epoch once, with as many steps and images as the settings say."""
        steps = -(-asked["train_images"] // asked["batch_size"])
        numbers = [epoch["epoch"] for epoch in measured["epochs"]]
        if numbers != list(range(asked["epochs"])):
            self.find(where, "steps", f"epochs {numbers} instead of 0 to {asked['epochs'] - 1}")
        for epoch in measured["epochs"]:
            done, due = (epoch["steps"], epoch["images"]), (steps, asked["train_images"])
            if done != due:
                found = f"{done[0]} steps over {done[1]} images instead of {due[0]} over {due[1]}"
                self.find(where, "steps", f"epoch {epoch['epoch']}: {found}")

    def clocks(self, measured: dict, where: dict) -> None:
        """Clocks go forward: epochs do not overlap, and parts fit into what they are part of."""
        epochs, phases = measured["epochs"], measured["phases"]
        for before, after in pairwise(epochs):
            if after["begin"] < before["begin"] + before["seconds"] - CLOCK_SECONDS:
                at = f"epoch {after['epoch']} begins before epoch {before['epoch']} ends"
                self.find(where, "clock", at)
        end = epochs[-1]["begin"] + epochs[-1]["seconds"] + phases["evaluation"]
        begin = phases["import"] + phases["load"] + phases["set_up"]
        if end > measured["seconds"] + CLOCK_SECONDS or epochs[0]["begin"] < begin - CLOCK_SECONDS:
            self.find(where, "clock", "the epochs do not fit into the process's time")
        if abs(sum(e["seconds"] for e in epochs) - phases["epochs"]) > CLOCK_SECONDS:
            self.find(where, "clock", "the epochs do not add up to their sum")
        if any((e["wait_seconds"] or 0) > e["seconds"] + CLOCK_SECONDS for e in epochs):
            self.find(where, "clock", "an epoch waited longer than it took")
        if any(e["seconds"] <= 0 for e in epochs):
            self.find(where, "clock", "an epoch took no time")

    def losses(self, path: Path, asked: dict, measured: dict, where: dict) -> None:
        """The file of step losses is the record's, whole, finite, and has its averages."""
        file = path.with_suffix(".losses.npy")
        if not file.exists():
            self.find(where, "losses", "the step losses are missing")
            return
        if sha256(file) != measured["losses_sha256"]:
            self.find(where, "losses", "the step losses are not those of the record")
            return
        losses = np.load(file)
        steps = -(-asked["train_images"] // asked["batch_size"])
        if losses.shape != (asked["epochs"], steps):
            due = f"{asked['epochs']} x {steps}"
            self.find(where, "losses", f"step losses of shape {losses.shape} instead of {due}")
        elif not np.isfinite(losses).all():
            self.find(where, "losses", "a step loss is not finite")
        elif not np.allclose(losses.mean(axis=1), [e["average_loss"] for e in measured["epochs"]]):
            self.find(where, "losses", "the averages are not those of the step losses")

    def gpu(self, facts: dict | None, watched: dict | None, where: dict) -> None:
        """The driver saw the process on the GPU; what slowed the GPU down is told."""
        if not facts or not watched or not watched["process_seen"]:
            self.find(where, "gpu", "nobody saw the process on the GPU")
        elif watched["throttled"]:
            told = ", ".join(watched["throttled"])
            self.find(where, "throttled", f"{facts['name']} was slowed down: {told}", "note")

    def packages(self, ran: dict, where: dict) -> None:
        """What was installed equals the lock as it stands."""
        lock = self.root / f"envs/{where['competitor']}.lock"
        if not lock.exists():
            self.find(where, "lock", f"there is no {lock.name}")
            return
        if sha256(lock) != ran["lock_sha256"]:
            self.find(where, "lock", f"built from another {lock.name} than today's")
            return
        installed = {canonical(name): version for name, version in ran["packages"].items()}
        for name, version in locked_versions(lock).items():
            if installed.get(name) != version:
                found = f"{name} {installed.get(name, 'absent')} instead of {version}"
                self.find(where, "lock", found)

    def against_round(self, record: dict, opened: dict, where: dict) -> None:
        if record["round_id"] != opened["id"]:
            self.find(where, "round", "belongs to another opening of the round")
        here, there = record["ran"]["machine"], opened["machine"]
        for fact in ("node", "boot", "fingerprint"):
            if here[fact] != there[fact]:
                found = f"ran on another machine than its round: {fact} {here[fact]}"
                self.find(where, "machine", f"{found}, not {there[fact]}")
                break
        if record["asked"]["seed"] != opened["seed"]:
            self.find(where, "seed", "another seed than its round's")
        if where["competitor"] not in opened["order"]:
            self.find(where, "round", "takes no part in its round")

    def members(self, key: tuple, opened: dict, members: list[tuple[dict, dict]]) -> None:
        """Check the members of one round against one another."""
        track, scenario, number = key
        where = {"track": track, "scenario": scenario, "round": int(number)}
        present = {place["competitor"] for place, _ in members}
        for competitor in opened["order"]:
            if competitor not in present:
                framework, _, device = competitor.rpartition("-")
                absent = {"competitor": competitor, "framework": framework, "device": device}
                self.find(where | absent, "missing", "has no record", "note")
        ways = Counter(record["ran"]["deployment"] for _, record in members)
        if len(ways) > 1:
            told = ", ".join(sorted(ways))
            self.find(where, "deployment", f"its members were deployed in different ways: {told}")
        for what in ("data_sha256", "protocol_sha256", "toolbox_sha256"):
            if len({json.dumps(record["ran"][what]) for _, record in members}) > 1:
                self.find(where, what.split("_")[0], f"its members differ in {what}")
        settings = ("threads", "dtype", "epochs", "batch_size", "learning_rate", "hidden_units")
        settings += ("pixel_mean", "pixel_std", "loader_workers", "train_images", "test_images")
        for what in settings:
            if len({record["asked"][what] for _, record in members}) > 1:
                self.find(where, "settings", f"its members differ in {what}")
        members = sorted(members, key=lambda member: member[1]["measured"]["started"])
        for (_, before), (place, after) in pairwise(members):
            begin, then = (
                datetime.fromisoformat(r["measured"]["started"]) for r in (before, after)
            )
            gap = (then - begin).total_seconds() - before["measured"]["seconds"]
            if gap > GAP_SECONDS:
                found = f"began {gap:.0f} s after the one before it: the round was interrupted"
                self.find(place, "interrupted", found, "note")
            elif gap < -1:
                self.find(place, "clock", "ran at the same time as the one before it")


def not_finite(constant: str):
    raise ValueError(f"{constant} is not a finite number")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"))
    results = parser.parse_args(argv).results
    if not results.is_dir():
        parser.error(f"there is no folder {results}")
    audit = Audit(results)
    audit.everything(
        sorted(results.glob("runs/*/*/*/*.json")), sorted(results.glob("rounds/*/*/*.json"))
    )
    table = audit.table()
    if not table.empty:
        print(table.drop(columns=["framework", "device"]).to_string(index=False))
    errors = int((table["severity"] == "error").sum())
    print(f"{errors} errors, {len(table) - errors} notes")
    return 3 if errors else 0


if __name__ == "__main__":
    if "snakemake" not in globals():
        sys.exit(main(sys.argv[1:]))
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    audit = Audit(Path("results"))
    audit.everything(
        [Path(path) for path in snakemake.input.records],
        [Path(path) for path in snakemake.input.rounds],
    )
    audit.left_out(snakemake.params.left_out)
    audit.table().to_csv(snakemake.output[0], index=False)
    print(audit.table().to_string(index=False))
