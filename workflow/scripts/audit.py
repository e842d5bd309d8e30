"""Check every record and every round before anything is compared.

In the workflow it writes results/audit.csv. From the command line it prints its findings and tells
by its exit status: 0 nothing found, 3 errors found, 2 it could not be asked so.

    python workflow/scripts/audit.py [results]
"""

import argparse
import json
import math
import sys
from collections import Counter
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from environment import INSTALLERS, canonical, locked_versions
from jsonschema_rs import Draft202012Validator

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "workflow/trainers"))

from toolbox.record import is_sealed, sha256  # noqa: E402, found through the line above

COLUMNS = ["track", "scenario", "round", "framework", "device", "competitor"]
COLUMNS += ["severity", "check", "finding", "file"]
# Members of a round that run later than this after one another were not back to back.
GAP_SECONDS = 60
# What the runs of a track and scenario share, in every round.
SETTINGS = ("threads", "dtype", "epochs", "batch_size", "learning_rate", "hidden_units")
SETTINGS += ("pixel_mean", "pixel_std", "loader_workers", "train_images", "test_images")
# What frameworks call a device, where it is not our word for it.
DEVICE_NAMES = {"gpu": "cuda"}
# What a clock may lack or have too much of: rounding of the numbers, and no more.
CLOCK_SECONDS = 0.01
# What a date and time may be off: it is rounded, and the machine's may be set while it runs.
DATE_SECONDS = 1


def is_moment(text: str) -> bool:
    """Whether a text is a date and time that tells its time zone."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def schema(name: str) -> Draft202012Validator:
    text = (ROOT / f"workflow/schemas/{name}.schema.yaml").read_text()
    return Draft202012Validator(
        yaml.safe_load(text), validate_formats=True, formats={"date-time": is_moment}
    )


def place(path: Path) -> dict:
    """What the path results/runs/TRACK/SCENARIO/ROUND/FRAMEWORK-DEVICE.json says."""
    track, scenario, number = path.parts[-4:-1]
    return {"track": track, "scenario": scenario, "round": int(number)} | who(path)


def place_of_rehearsal(path: Path) -> dict:
    """What results/rehearsals/SCENARIO/FRAMEWORK-DEVICE.json says: all but a round."""
    return {"track": "controlled", "scenario": path.parent.name} | who(path)


def who(path: Path) -> dict:
    framework, _, device = path.stem.rpartition("-")
    return {
        "framework": framework,
        "device": device,
        "competitor": path.stem,
        "file": str(path),
    }


class Audit:
    """Findings about the records and rounds of one results folder."""

    def __init__(self, results: Path, root: Path = ROOT):
        self.results, self.root = results, root
        self.findings: list[dict] = []
        self.record_schema, self.round_schema = schema("record"), schema("round")
        toolbox = (ROOT / "workflow/trainers/toolbox").glob("*.py")
        self.toolbox = {file.name: sha256(file) for file in toolbox}
        self.seen: dict[str, str] = {}  # the ids of records, and their files
        # what thousands of records are held against is read once
        self.sha256, self.locked_versions = cache(sha256), cache(locked_versions)

    def table(self) -> pd.DataFrame:
        table = pd.DataFrame(self.findings, columns=COLUMNS).astype({"round": "Int64"})
        return table.sort_values([*COLUMNS[:3], "competitor", "severity", "check"])

    def find(self, where: dict, check: str, finding: str, severity: str = "error") -> None:
        self.findings.append(where | {"severity": severity, "check": check, "finding": finding})

    def everything(self, records: list[Path], rounds: list[Path], rehearsals=()) -> None:
        """Audit these rounds, the records that belong to them, and rehearsals.

        The records of one round at a time are in memory, and of the others what rounds are compared
        by: all of them together may be too large.
        """
        by_round: dict[tuple, list[Path]] = {}
        for path in records:
            where = place(path)
            key = where["track"], where["scenario"], where["round"]
            by_round.setdefault(key, []).append(path)
        opened, members = {}, {}
        for path in rounds:
            key = path.parent.parent.name, path.parent.name, int(path.stem)
            opened[key] = self.round(path)
        for key in dict.fromkeys([*by_round, *opened]):
            of_round = []
            for path in by_round.get(key, []):
                where = place(path)
                record = self.record(path, where, opened.get(key))
                if record is not None:
                    of_round.append((where, record))
            if opened.get(key) is not None:
                self.members(key, opened[key], of_round)
            members[key] = [(where, abridged(record)) for where, record in of_round]
        for path in rehearsals:
            where = place_of_rehearsal(path)
            self.record(path, where, opened.get((where["track"], where["scenario"], 0)))
        self.between_rounds(opened, members)
        self.one_at_a_time([member for of_round in members.values() for member in of_round])

    def left_out(self, unfit: dict[str, str]) -> None:
        """Name the competitors that were asked for and that the doctor, saying why, kept out."""
        for competitor, why in unfit.items():
            framework, _, device = competitor.rpartition("-")
            where = {"competitor": competitor, "framework": framework, "device": device}
            self.find(where, "left out", f"takes no part, the doctor found it unfit: {why}", "note")

    def read(self, path: Path, where: dict, validator: Draft202012Validator) -> dict | None:
        """The content of a file that follows its schema; otherwise a finding and None."""
        try:
            content = json.loads(path.read_text(), parse_constant=finite, parse_float=finite)
        except FileNotFoundError:
            self.find(where, "missing", "the file is not there")
            return None
        except ValueError as error:
            self.find(where, "schema", f"not whole JSON with finite numbers: {error}")
            return None
        for error in validator.iter_errors(content):
            at = ".".join(map(str, error.instance_path)) or "the file"
            self.find(where, "schema", f"{at}: {error.message[:200]}")
            return None
        if not is_sealed(content):
            self.find(where, "seal", "changed after it was written: the seal does not fit")
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
        if record["id"] in self.seen:
            self.find(where, "duplicate", f"the same run as {self.seen[record['id']]}")
        self.seen.setdefault(record["id"], str(path))
        clocked = "round" in where
        identity = ("track", "scenario", "round", "framework", "device")
        if any(asked[key] != where.get(key, 0) for key in identity):
            told = "/".join(str(asked[key]) for key in identity)
            self.find(where, "identity", f"tells of another run than its path: {told}")
        if asked["dtype"] != ("float32" if clocked else "float64"):
            self.find(where, "settings", f"computed in {asked['dtype']}")
        self.work(asked, measured, where)
        self.clocks(measured, where)
        self.losses(path, asked, measured, where)
        if DEVICE_NAMES.get(ran["device"], ran["device"]) != asked["device"]:
            self.find(where, "device", f"asked for {asked['device']}, worked on {ran['device']}")
        trainer = ROOT / f"workflow/trainers/{where['track']}/{where['framework']}_mlp.py"
        if trainer.exists() and self.sha256(trainer) != ran["trainer_sha256"]:
            self.find(where, "trainer", "another trainer ran than the one that is shown")
        if ran["toolbox_sha256"] != self.toolbox:
            self.find(where, "toolbox", "another toolbox ran than today's")
        self.protocol(asked, ran, where)
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
            if clocked:
                self.on_the_rounds_machine(record, opened, where)
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
        try:
            losses = np.load(file).astype(float)
        except (ValueError, OSError, EOFError):
            self.find(where, "losses", "the step losses cannot be read")
            return
        averages = [epoch["average_loss"] for epoch in measured["epochs"]]
        steps = -(-asked["train_images"] // asked["batch_size"])
        if losses.shape != (asked["epochs"], steps):
            due = f"{asked['epochs']} x {steps}"
            self.find(where, "losses", f"step losses of shape {losses.shape} instead of {due}")
        elif not np.isfinite(losses).all():
            self.find(where, "losses", "a step loss is not finite")
        elif len(averages) != len(losses) or not np.allclose(losses.mean(axis=1), averages):
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
        if self.sha256(lock) != ran["lock_sha256"]:
            self.find(where, "lock", f"built from another {lock.name} than today's")
            return
        installed = {canonical(name): version for name, version in ran["packages"].items()}
        locked = self.locked_versions(lock)
        for name, version in locked.items():
            if installed.get(name) != version:
                found = f"{name} {installed.get(name, 'absent')} instead of {version}"
                self.find(where, "lock", found)
        if excess := sorted(installed.keys() - locked.keys() - INSTALLERS):
            self.find(where, "lock", f"not in the lock: {', '.join(excess)}", "note")

    def protocol(self, asked: dict, ran: dict, where: dict) -> None:
        """The run was given the weights and the order that lie here for its round."""
        if where["track"] == "tutorial":
            return
        file = self.results / f"protocol/{asked['scenario']}/{asked['round']}.npz"
        if file.exists() and sha256(file) != ran["protocol_sha256"]:
            self.find(
                where, "protocol", "was given other weights or another order than its round's"
            )

    def against_round(self, record: dict, opened: dict, where: dict) -> None:
        if record["round_id"] != opened["id"]:
            self.find(where, "round", "belongs to another opening of the round")
        if record["asked"]["seed"] != opened["seed"]:
            self.find(where, "seed", "another seed than its round's")
        if where["competitor"] not in opened["order"]:
            self.find(where, "round", "takes no part in its round")
        if seconds_between(opened["opened"], record["measured"]["started"]) < -DATE_SECONDS:
            self.find(where, "clock", "began before its round was opened")

    def on_the_rounds_machine(self, record: dict, opened: dict, where: dict) -> None:
        here, there = record["ran"]["machine"], opened["machine"]
        for fact in ("node", "boot", "fingerprint"):
            if here[fact] != there[fact]:
                found = f"ran on another machine than its round: {fact} {here[fact]}"
                self.find(where, "machine", f"{found}, not {there[fact]}")
                break

    def members(self, key: tuple, opened: dict, members: list[tuple[dict, dict]]) -> None:
        """Check the members of one round against one another."""
        track, scenario, number = key
        where = {"track": track, "scenario": scenario, "round": number}
        present = {place["competitor"] for place, _ in members}
        for competitor in opened["order"]:
            if competitor not in present:
                framework, _, device = competitor.rpartition("-")
                absent = {"competitor": competitor, "framework": framework, "device": device}
                self.find(where | absent, "missing", "has no record that can be read", "note")
        ways = Counter(record["ran"]["deployment"] for _, record in members)
        if len(ways) > 1:
            told = ", ".join(sorted(ways))
            self.find(where, "deployment", f"its members were deployed in different ways: {told}")
        for what in ("data_sha256", "protocol_sha256", "toolbox_sha256"):
            if len({json.dumps(record["ran"][what]) for _, record in members}) > 1:
                self.find(where, what.split("_")[0], f"its members differ in {what}")
        for what in SETTINGS:
            if len({record["asked"][what] for _, record in members}) > 1:
                self.find(where, "settings", f"its members differ in {what}")
        members = in_order_of_time(members)
        took_turns = [place["competitor"] for place, _ in members]
        if took_turns != [name for name in opened["order"] if name in present]:
            told = ", ".join(took_turns)
            self.find(where, "order", f"turns were taken otherwise than drawn: {told}", "note")
        for (_, before), (place, after) in pairwise(members):
            gap = pause(before, after)
            if gap > GAP_SECONDS:
                found = f"began {gap:.0f} s after the one before it: the round was interrupted"
                self.find(place, "interrupted", found, "note")

    def between_rounds(self, opened: dict, members: dict) -> None:
        """Rounds of a track and scenario have their own seed and losses, and all else in common."""
        seeds, losses, common = {}, {}, {}
        for (track, scenario, _), of_round in members.items():
            counts = common.setdefault((track, scenario), Counter())
            counts.update(tuple(shared(record).items()) for _, record in of_round)
        for (track, scenario, number), content in opened.items():
            where = {"track": track, "scenario": scenario, "round": number}
            if content is not None:
                first = seeds.setdefault((track, scenario, content["seed"]), number)
                if first != number:
                    self.find(where, "seed", f"the seed of round {first} again")
            for place, record in members.get((track, scenario, number), []):
                most = dict(common[track, scenario].most_common(1)[0][0])
                here = shared(record)
                if others := [f"{what} {here[what]}" for what in here if here[what] != most[what]]:
                    told = ", ".join(others)
                    self.find(place, "settings", f"otherwise than most rounds: {told}")
                key = track, scenario, place["competitor"], record["measured"]["losses_sha256"]
                first = losses.setdefault(key, number)
                if first != number:
                    self.find(place, "duplicate", f"the step losses of round {first} again")

    def one_at_a_time(self, members: list[tuple[dict, dict]]) -> None:
        """No two runs at the same time on one machine.

        On a cluster, whose scheduler hands nodes out, within a job: a round is one.
        """
        together: dict[tuple, list] = {}
        for place, record in members:
            here = record["ran"]["machine"]
            together.setdefault((here["node"], here["boot"], here["job"]), []).append(
                (place, record)
            )
        for runs in together.values():
            for (place, before), (other, after) in pairwise(in_order_of_time(runs)):
                if pause(before, after) < -DATE_SECONDS:
                    self.find(place, "clock", f"ran at the same time as {other['file']}")
                    self.find(other, "clock", f"ran at the same time as {place['file']}")


def abridged(record: dict) -> dict:
    """Of a record, what it is compared by with those of other rounds."""
    ran, measured = record["ran"], record["measured"]
    machine = {what: ran["machine"][what] for what in ("node", "boot", "job")}
    return {
        "asked": {what: record["asked"][what] for what in SETTINGS},
        "ran": {"data_sha256": ran["data_sha256"], "machine": machine},
        "measured": {what: measured[what] for what in ("losses_sha256", "started", "seconds")},
    }


def shared(record: dict) -> dict:
    """What a record has in common with those of all rounds of its track and scenario."""
    asked = {what: record["asked"][what] for what in SETTINGS}
    return asked | {"data_sha256": record["ran"]["data_sha256"]}


def in_order_of_time(members: list[tuple[dict, dict]]) -> list[tuple[dict, dict]]:
    return sorted(
        members, key=lambda member: datetime.fromisoformat(member[1]["measured"]["started"])
    )


def seconds_between(before: str, after: str) -> float:
    """From one date and time to another; negative where the other is the earlier one."""
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()


def pause(before: dict, after: dict) -> float:
    """Seconds from the end of one record's run to the beginning of another's."""
    times = before["measured"]["started"], after["measured"]["started"]
    return seconds_between(*times) - before["measured"]["seconds"]


def finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number} is not a finite number")
    return value


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"))
    results = parser.parse_args(argv).results
    if not results.is_dir():
        parser.error(f"there is no folder {results}")
    audit = Audit(results)
    audit.everything(
        sorted(results.glob("runs/*/*/*/*.json")),
        sorted(results.glob("rounds/*/*/*.json")),
        sorted(results.glob("rehearsals/*/*.json")),
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
