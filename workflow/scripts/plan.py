"""Say what a configuration amounts to, before the first job: runs, rounds, and about how long."""

from pathlib import Path

import pandas as pd
import settings

# Where no earlier run tells better: seconds that a process spends outside its epochs, and seconds
# an epoch of 60,000 images, as seen on a machine with two cores (docs/performance.md).
GUESS_START = 5.0
GUESS_EPOCH = {"tutorial": 5.0, "controlled": 1.0}


def guess(config: dict, track: str, scenario: str) -> float:
    """Seconds of one run on a machine that is not known. The extra loader pass is an epoch, too."""
    epochs = config["scenarios"][scenario]["epochs"] + (track == "tutorial")
    return GUESS_START + GUESS_EPOCH[track] * epochs * config["data"]["train_images"] / 60_000


def seconds_of_a_run(config: dict, track: str, scenario: str, competitor: str, earlier) -> tuple:
    """Seconds of one run, and whether they rest on earlier runs of the same kind."""
    if earlier is not None:
        alike = (earlier["track"] == track) & (earlier["scenario"] == scenario)
        alike &= earlier["competitor"] == competitor
        alike &= earlier["epochs"] == config["scenarios"][scenario]["epochs"]
        alike &= earlier["train_images"] == config["data"]["train_images"]
        if alike.any():
            return earlier.loc[alike, "process_seconds"].median(), True
    return guess(config, track, scenario), False


def plan(config: dict, runs_table: Path = Path("results/runs.csv")) -> str:
    """A table of contests and what the estimate rests on. Checks and analysis come on top."""
    earlier = pd.read_csv(runs_table) if runs_table.exists() else None
    lines, total, with_gpu, known = [], 0.0, 0.0, []
    for track, scenario in settings.contests(config):
        members = settings.competitors(config, track)
        costs = [seconds_of_a_run(config, track, scenario, m, earlier) for m in members]
        seconds = config["rounds"] * sum(seconds for seconds, _ in costs)
        total += seconds
        with_gpu += seconds * any(member.endswith("-cuda") for member in members)
        known += [is_known for _, is_known in costs]
        lines.append(f"  {track:<11}{scenario:<13}{', '.join(members)}")
    left_out = [
        f"  left out: {name} is unfit, says results/doctor/{name}.json; delete that to try again"
        for name in config.get("left_out", [])
    ]
    runs = config["rounds"] * len(known)
    rests = "earlier runs in results/runs.csv" if all(known) else "guesses for a machine of 2 cores"
    if any(known) and not all(known):
        rests = f"{rests}, and earlier runs where there are some"
    return "\n".join(
        [
            f"The plan: {config['rounds']} rounds, {runs} clocked runs, one at a time",
            *lines,
            *left_out,
            f"About {max(1, round(total / 60))} min of clocked runs (this rests on {rests}); "
            "what is already there is not run again.",
            f"On a cluster: {config['rounds'] * len(lines)} jobs, {total / 3600:.1f} node-hours, "
            f"{with_gpu / 3600:.1f} GPU-hours.",
        ]
    )
