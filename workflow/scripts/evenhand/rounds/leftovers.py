"""What earlier starts left in the results folder and has to be made again.

Every start finds it; nothing is removed while the workflow is read. The rules tell Snakemake, which
then makes these files again like any other that is out of date.
"""

from pathlib import Path

from evenhand.core import axes
from evenhand.core.experiment import Experiment
from evenhand.core.files import read_json
from evenhand.core.identity import Competitor, Round
from evenhand.core.schemas import ROOT

# What every start reads of each kind of file; one that lacks it is damaged.
ROUND = ("id", "order", "machine", "nodes")
EXAMINATION = ("competitor", "fit", "findings")
RECEIPT = ("framework", "device", "deployment", "lock_sha256")
FIXED = ("contests",)


def read_round(path: Path) -> dict | None:
    """The file that opened a round; None where there is none, or a damaged one."""
    return read_json(path, ROUND)


def failed_examinations(folder: Path) -> dict[Path, dict]:
    """The examinations, by file, of competitors that cannot train.

    `folder`: results/doctor/{nodes}, where each competitor's is {competitor}.examination.json.
    """
    contents = {
        path: read_json(path, EXAMINATION) for path in sorted(folder.glob("*.examination.json"))
    }
    return {path: content for path, content in contents.items() if content and not content["fit"]}


def stale_examinations(folder: Path, root: Path = ROOT) -> list[Path]:
    """The failed examinations of competitors whose lock, trainers or file have changed since."""
    return [
        path
        for path, examination in failed_examinations(folder).items()
        for framework in [Competitor.parse(examination["competitor"]).framework]
        if any(
            file.exists() and file.stat().st_mtime > path.stat().st_mtime
            for file in [
                root / f"envs/{examination['competitor']}.lock",
                axes.member_file("framework", framework, root),
                *(
                    axes.trainer(folder.name, framework, root)
                    for folder in root.glob("workflow/trainers/*")
                ),
            ]
        )
    ]


def excluded(folder: Path, root: Path = ROOT) -> dict[str, str]:
    """The competitors that cannot train, with the reason; not those that have changed since."""
    reasons, stale = {}, stale_examinations(folder, root)
    for path, examination in failed_examinations(folder).items():
        if path not in stale:
            what, _, words = next(f for f in examination["findings"] if not f[1])
            reasons[examination["competitor"]] = f"{what} {words}"
    return reasons


def fixed_rounds(experiment: Experiment, results: Path) -> list[dict]:
    """What an earlier start fixed of each contest's rounds, if it asked for what is asked now."""
    content = read_json(results / "rounds.json", FIXED) or {}
    asked = {key: content.get(key) for key in experiment.fixing}
    return content["contests"] if asked == experiment.fixing else []


def incomplete_rounds(experiment: Experiment, results: Path) -> list[Path]:
    """The files of rounds that a cluster's job opened and never finished.

    The members of a round belong into one job, so such a round can only be run again as a whole.
    """
    incomplete = []
    for path in sorted(results.glob("rounds/*/*/*.json")):
        opened = read_round(path)
        if opened is None or not opened["machine"].get("job"):
            continue
        round_ = Round.from_path(path)
        present = experiment.competitors(round_.track)
        wanted = [name for name in opened["order"] if name in present]
        if not all(round_.run(name).path(results).exists() for name in wanted):
            incomplete.append(path)
    return incomplete


def damaged(results: Path, nodes: str) -> list[Path]:
    """Files that every start reads and that are not whole: empty, truncated, or lacking a key."""
    kinds = {
        "rounds/*/*/*.json": ROUND,
        "rounds.json": FIXED,
        f"doctor/{nodes}/*.examination.json": EXAMINATION,
        "environments/*.json": RECEIPT,
    }
    return [
        path
        for pattern, keys in kinds.items()
        for path in sorted(results.glob(pattern))
        if read_json(path, keys) is None
    ]


def to_make_again(experiment: Experiment, results: Path, nodes: str) -> dict[str, str]:
    """Which files are to be made again, and why."""
    reasons = {
        "changed since it failed": stale_examinations(results / "doctor" / nodes, experiment.root),
        "its job did not finish the round": incomplete_rounds(experiment, results),
        "not whole JSON": damaged(results, nodes),
    }
    return {str(path): reason for reason, paths in reasons.items() for path in paths}
