"""Check anybody's port: does it compute what all others compute, and is its time what it says?"""

import argparse
import json
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import yaml
from threadpoolctl import threadpool_limits

from evenhand.checks import audit_record, gate
from evenhand.checks.findings import Finding
from evenhand.core import axes
from evenhand.core.identity import losses_path
from evenhand.core.schemas import ROOT, completed
from evenhand.porting import evidence, trial, words
from evenhand.porting.trial import Left, NotJudged, Training
from evenhand.rounds.launching import launch_options, settings
from toolbox.launch import variables

STATUS = {"passes": 0, "does not pass": 1, "not judged": 2}
IMPORTS_TOOLBOX = re.compile(r"^(from|import) toolbox\b", re.MULTILINE)
TEXT = ROOT / "workflow/scripts/evenhand/report/text.en.yaml"  # has the sentences for causes


def main(argv: list[str], description: str) -> int:
    """Check one port, print a page: 0 if it passes, 1 if not, 2 if it could not be judged."""
    about, _, details = description.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trainer", type=Path, help="the program that trains")
    parser.add_argument(
        "--python",
        default=shlex.quote(sys.executable),
        metavar="COMMAND",
        help="what starts the Python that has the framework; otherwise the one that runs this",
    )
    parser.add_argument("--npz", action="store_true", help="it is written without the toolbox")
    parser.add_argument("--framework", metavar="NAME", help="whose file says how threads are set")
    parser.add_argument("--device", default="cpu", help="as its file in workflow/devices is called")
    parser.add_argument("--threads", default="1", help="how many, or `default`")
    parser.add_argument("--folder", type=Path, help="where files of the trial go, and stay")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    args = parser.parse_args(argv)
    if not args.trainer.is_file():
        parser.error(f"there is no file {args.trainer} in {Path.cwd()}")
    if not (args.threads == "default" or (args.threads.isdecimal() and int(args.threads))):
        parser.error(f"--threads {args.threads}: neither `default` nor a number from 1 on")
    try:
        python = shlex.split(args.python) or parser.error("--python: the command is empty")
        facts = facts_of(args.framework or args.trainer.stem.removesuffix("_mlp"), args.framework)
        device = axes.device(args.device)
        if args.folder:
            trial.claim(args.folder)
    except (OSError, ValueError) as error:  # Refused is a ValueError
        parser.error(str(error))
    begin = time.monotonic()
    with nullcontext(args.folder) if args.folder else tempfile.TemporaryDirectory() as folder:
        with threadpool_limits(1):  # the matrices are so small that two threads take longer
            result = checked(args, python, facts, device, Path(folder).resolve())
    result["seconds"] = round(time.monotonic() - begin, 1)
    print(json.dumps(result, indent=1, allow_nan=False) if args.json else words.page(result))
    return STATUS[result["status"]]


def facts_of(name: str, wanted: str | None) -> Mapping:
    """What a framework's file says; without one, unless it is wanted, what the schema has."""
    if wanted or name in axes.names("framework"):
        return axes.framework(name)
    return completed({"label": name, "color": "#000000"}, "framework")


def checked(
    args: argparse.Namespace,
    python: Sequence[str],
    facts: Mapping,
    device: Mapping,
    folder: Path,
) -> dict:
    """Everything that was found, as JSON has it."""
    trainer = args.trainer.resolve()
    result = {"trainer": str(args.trainer), "python": args.python, "framework": facts["label"]}
    result |= {"threads": args.threads, "toolbox": not args.npz, "device": args.device}
    of_gate = gated_variables(args.device)
    options = ["--threads", args.threads, *launch_options(facts, device, of_gate)]
    own = settings(facts, device, of_gate)
    env = variables(args.threads, facts["threads"]["variables"], own)
    try:
        needs = () if args.npz else trial.TOOLBOX_NEEDS
        result["python_version"] = trial.ask_python(python, needs)
        judged = {}
        for training in trial.prepare(folder, args.device):
            if args.npz:
                left = trial.with_files(trainer, python, env, training)
            else:
                left = trial.with_toolbox(trainer, python, options, training)
            judged[training.name] = training, left
    except NotJudged as error:
        summary = str(error)
        imported = IMPORTS_TOOLBOX.search(trainer.read_text(errors="replace"))
        if bool(imported) == args.npz:
            summary += f"; it is written {'with' if imported else 'without'} the toolbox, see --npz"
        return result | {"status": "not judged", "summary": summary, "said": error.said}
    return result | judgement(judged, facts, device, args.device)


def gated_variables(device: str) -> dict[str, str]:
    """What tracks whose steps are compared set on a device, such as no TF32."""
    tracks = map(axes.track, axes.names("track"))
    of_tracks = [track["variables"].get(device, {}) for track in tracks if track["proof"] == "gate"]
    return {name: value for of_track in of_tracks for name, value in of_track.items()}


def judgement(
    judged: Mapping[str, tuple[Training, Left]], facts: Mapping, device: Mapping, device_name: str
) -> dict:
    """Checks of both tiers, what the first step shows, and what the audit finds."""
    limits = completed({}, "config")["gate"]
    checks = {
        tier: tier_checks(*judged[tier], tier, limits, device_name)
        for tier in ("float64", "float32")
    }
    training, left = judged["first step"]
    first = evidence.compared(training, left)
    findings = list(dict.fromkeys(audited(judged, facts, device)))
    failed = [row for rows in checks.values() for row in rows if not row["passed"]]
    errors = [finding for finding in findings if finding.severity == "error"]
    result = {
        "checks": checks,
        "losses": {tier: around(*judged[tier], rows) for tier, rows in checks.items()},
        "first_step": {
            "loss": number(evidence.first_loss(left)),
            "reference_loss": float(training.reference.losses[0, 0]),
            "arrays": list(map(evidence.as_dict, first)),
        },
        "findings": [finding._asdict() for finding in findings],
        "status": "does not pass" if failed or errors else "passes",
        "cause": None,
        "evidence": [],
    }
    if failed:
        causes = yaml.safe_load(TEXT.read_text(encoding="utf-8"))["gate"]["causes"]
        worst = failed[0]
        step = worst["step"] if worst["check"] == "steps" else None
        sentence = evidence.refined(worst["cause"], step, training, left, first)
        sentence = sentence or causes[worst["cause"]].format(detail=worst["detail"])
        result["cause"] = {"code": worst["cause"], "sentence": sentence}
        result["evidence"] = evidence.conclusions(training, left, first)
    return result


def tier_checks(training: Training, left: Left, tier: str, limits: dict, device: str) -> list[dict]:
    """The gate's checks of one tier."""
    allowed = gate.limits(limits, device, training.sizes)
    first = gate.first_steps(limits, device, training.sizes)
    first = min(first, gate.sure_steps(training.reference.nearest_zero))
    rows = gate.judge(left.trained, training.reference, tier, allowed, first, training.sizes)
    return [
        row
        | {
            "deviation": number(row["deviation"]),
            "passed": bool(row["passed"]),
            "step": row["step"] and int(row["step"]),
        }
        for row in rows
    ]


def number(value: float) -> float | None:
    """The value, None where it is none that JSON has."""
    return float(value) if np.isfinite(value) else None


def around(training: Training, left: Left, rows: Sequence[Mapping]) -> list[dict]:
    """Losses of the first steps and around the first that deviates, beside the reference's."""
    expected = training.reference.losses
    own = gate.aligned(left.trained.losses, expected.shape).ravel()
    steps = {1, 2, 3}
    if outside := [row["step"] for row in rows if row["step"]]:
        steps |= {outside[0] - 1, outside[0], outside[0] + 1}
    return [
        {
            "step": step,
            "loss": number(own[step - 1]),
            "reference": float(expected.ravel()[step - 1]),
        }
        for step in sorted(steps & set(range(1, expected.size + 1)))
    ]


def audited(
    judged: Mapping[str, tuple[Training, Left]], facts: Mapping, device: Mapping
) -> Iterator[Finding]:
    """What the audit finds in the records of the whole trainings; of files, wrong types alone."""
    for tier in ("float64", "float32"):
        training, left = judged[tier]
        if left.record:
            project = audit_record.Project(training.settings.data, ROOT)
            yield from audit_record.by_itself(left.record, losses_path(left.path), project)
            if tier == "float32":
                yield from audit_record.while_timed(left.record, facts, loader_workers=None)
            if device["gpu"]:
                yield from audit_record.gpu(left.record.environment.gpu, left.record.measured.gpu)
        else:
            of_type = {name: left.arrays[name].dtype for name in trial.weight_names()}
            for name, dtype in of_type.items():
                if dtype != tier:
                    yield Finding("weights", f"{name} in {dtype} instead of {tier}")
