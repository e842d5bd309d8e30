"""Gather the records into two tidy tables: one row a run, one row an epoch."""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import pandas as pd

from evenhand.core import axes
from evenhand.core.identity import Run
from evenhand.model.mlp import flop_per_image
from toolbox.record import Epoch, Measured, Record

EPOCH = ["epoch", "seconds", "wait_seconds", "steps", "images"]
EPOCH += ["average_loss", "test_loss", "test_accuracy", "processor_joules", "gpu_joules"]
ROUND = ["track", "scenario", "round"]


def identity(record: Record) -> dict:
    """What the rows of both tables begin with."""
    keys = ("track", "scenario", "round", "framework", "device", "competitor")
    return {key: getattr(record.requested, key) for key in keys}


def run_row(record: Record, opened: dict, settings: dict) -> dict:
    """The row of runs.csv for one record; docs/tables.md describes the columns.

    `opened`: the content of the file that opened its round; `settings`: the configuration's section
    `comparison`.
    """
    requested, environment, measured = record.requested, record.environment, record.measured
    last = measured.epochs[-1]
    timed = measured.epochs[settings["warmup_epochs"] :]
    seconds = [epoch.seconds for epoch in timed]
    joules = [energy(measured, epoch) for epoch in timed]
    waits = [epoch.wait_seconds for epoch in timed if epoch.wait_seconds is not None]
    typical = median(seconds)
    flop = flop_per_image(requested.layers) * requested.train_images
    steps = requested.train_images / requested.batch_size  # the last one counts by its size
    order = opened["order"]
    # The peak is the processor's, and says nothing about a GPU.
    peak = {} if axes.device(requested.device)["gpu"] else opened["peak"]
    phases = {name: phase and phase.seconds for name, phase in measured.phases.items()}
    compiling = phases["compile"] or 0.0  # who has it not apart, has it in the first epoch
    seconds_to_accuracy = compiling
    for epoch in measured.epochs:
        seconds_to_accuracy += epoch.seconds
        if epoch.test_accuracy >= settings["target_accuracy"]:
            break
    else:
        seconds_to_accuracy = None
    return {
        **identity(record),
        "position": order.index(requested.competitor) if requested.competitor in order else None,
        "deployment": environment.deployment,
        "seed": requested.seed,
        "epochs": requested.epochs,
        "train_images": requested.train_images,
        "threads_asked": requested.threads,
        "threads_framework": environment.threads["framework"],
        "threads_openmp": environment.threads["openmp"],
        "threads_blas": environment.threads["blas"],
        "threads_at_work": median(epoch.processor_seconds / epoch.seconds for epoch in timed),
        "helpers_at_work": median(epoch.helper_seconds / epoch.seconds for epoch in timed),
        "median_epoch_seconds": typical,
        "first_epoch_seconds": compiling + measured.epochs[0].seconds,
        "seconds_to_accuracy": seconds_to_accuracy,
        "median_epoch_joules": None if None in joules else median(joules),
        "processor_domains": ", ".join(measured.energy["processor"]["domains"]) or None,
        "process_seconds": measured.seconds,
        "own_process_seconds": measured.seconds
        - phases["evaluation"]
        - (phases["loader_pass"] or 0),
        "import_seconds": phases["import"],
        "load_seconds": phases["load"],
        "set_up_seconds": phases["set_up"],
        "compile_seconds": phases["compile"],
        "first_step_seconds": measured.first_step_seconds,
        "between_seconds": phases["between"],
        "training_seconds": phases["epochs"],
        "loader_pass_seconds": phases["loader_pass"],
        "evaluation_seconds": phases["evaluation"],
        "rest_seconds": phases["rest"],
        "wait_share": sum(waits) / sum(seconds) if waits else None,
        "final_average_loss": last.average_loss,
        "final_test_loss": last.test_loss,
        "final_test_accuracy": last.test_accuracy,
        "peak_memory_bytes": measured.peak_memory_bytes,
        "user_seconds": measured.user_seconds,
        "system_seconds": measured.system_seconds,
        "flop_per_epoch": flop,
        "flop_per_second": flop / typical,
        "peak_flop_per_second": peak.get("flops"),
        "peak_threads": peak.get("threads"),
        "peak_kernel": peak.get("kernel"),
        "peak_library": peak.get("library"),
        "products_seconds": peak["step_seconds"] * steps if peak else None,
        "share_of_peak": flop / typical / peak["flops"] if peak else None,
        "node": environment.machine["node"],
        "fingerprint": environment.machine["fingerprint"],
        "started": measured.started,
        "round_id": record.round_id,
    }


def epoch_rows(record: Record) -> list[dict]:
    """The rows of epochs.csv for one record."""
    return [
        identity(record)
        | {column: getattr(epoch, column) for column in EPOCH}
        | {"energy_joules": energy(record.measured, epoch)}
        for epoch in record.measured.epochs
    ]


def energy(measured: Measured, epoch: Epoch) -> float | None:
    """Joules of the processor and of the GPU that was used, if any; None unless both are known."""
    if measured.energy["gpu"] is None:
        return epoch.processor_joules
    if None in (parts := (epoch.processor_joules, epoch.gpu_joules)):
        return None
    return sum(parts)


def empty_mixed_energy(runs: pd.DataFrame, epochs: pd.DataFrame) -> None:
    """Empty the energy of rounds whose runs read different domains: sums of different things."""
    domains = runs.groupby(ROUND)["processor_domains"].nunique(dropna=False)
    mixed = domains.index[domains > 1]
    for table, column in ((runs, "median_epoch_joules"), (epochs, "energy_joules")):
        table.loc[pd.MultiIndex.from_frame(table[ROUND]).isin(mixed), column] = None


def tables(
    records: Iterable[Path], results: Path, settings: dict
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs and epochs of these records. A record that does not follow the schema gives no row.

    The audit names such records; a table must not fail over them. ValueError where there is none
    that does. `settings`: the configuration's section `comparison`.
    """
    runs, epochs = [], []
    for path in records:
        try:
            record = Record.read(path)
            opened = json.loads(Run.from_path(path).of.path(results).read_text())
            row, rows = run_row(record, opened, settings), epoch_rows(record)
        except (ValueError, KeyError, TypeError, IndexError, ArithmeticError) as error:
            print(f"{path}: gives no row, {type(error).__name__}: {error}")
            continue
        runs.append(row | {"record": str(path)})
        epochs += rows
    if not runs:
        raise ValueError("no record can be read; workflow/scripts/audit.py says why")
    made = pd.DataFrame(runs), pd.DataFrame(epochs)
    empty_mixed_energy(*made)
    return made
