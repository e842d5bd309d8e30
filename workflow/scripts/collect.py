"""Gather the records into two tidy tables: one row a run, one row an epoch."""

import json
import sys
from pathlib import Path
from statistics import median

import pandas as pd
from tables import write_table

IDENTITY = ["track", "scenario", "round", "framework", "device"]


def flop_per_image(hidden_units: int, inputs: int = 784, classes: int = 10) -> int:
    """Floating-point operations of one training step per image.

    A matrix product takes 2 operations for each weight and image. The first layer takes two
    products (forward, gradient of its weights), the second a third (gradient of its inputs), which
    the first layer does not need. The rest (bias, ReLU, softmax) is counted with neither.
    """
    return 2 * 2 * inputs * hidden_units + 3 * 2 * hidden_units * classes


def run_row(record: dict, opened: dict, warmup_epochs: int) -> dict:
    """The row of runs.csv for one record; docs/tables.md describes the columns."""
    asked, ran, measured = record["asked"], record["ran"], record["measured"]
    phases, epochs = measured["phases"], measured["epochs"]
    clocked = epochs[warmup_epochs:]
    seconds = [epoch["seconds"] for epoch in clocked]
    waits = [epoch["wait_seconds"] for epoch in clocked if epoch["wait_seconds"] is not None]
    typical = median(seconds)
    flop = flop_per_image(asked["hidden_units"]) * asked["train_images"]
    competitor = f"{asked['framework']}-{asked['device']}"
    order = opened["order"]
    return {
        **{key: asked[key] for key in IDENTITY},
        "competitor": competitor,
        "position": order.index(competitor) if competitor in order else None,
        "deployment": ran["deployment"],
        "seed": asked["seed"],
        "epochs": asked["epochs"],
        "train_images": asked["train_images"],
        "threads_asked": asked["threads"],
        "threads_framework": ran["threads"]["framework"],
        "threads_openmp": ran["threads"]["openmp"],
        "threads_blas": ran["threads"]["blas"],
        "median_epoch_seconds": typical,
        "process_seconds": measured["seconds"],
        "import_seconds": phases["import"],
        "load_seconds": phases["load"],
        "set_up_seconds": phases["set_up"],
        "first_step_seconds": phases["first_step"],
        "training_seconds": phases["epochs"],
        "evaluation_seconds": phases["evaluation"],
        "loader_pass_seconds": phases["loader_pass"],
        "wait_share": sum(waits) / sum(seconds) if waits else None,
        "final_average_loss": epochs[-1]["average_loss"],
        "final_test_loss": epochs[-1]["test_loss"],
        "final_test_accuracy": epochs[-1]["test_accuracy"],
        "peak_memory_bytes": measured["peak_memory_bytes"],
        "user_seconds": measured["user_seconds"],
        "system_seconds": measured["system_seconds"],
        "flop_per_epoch": flop,
        "flop_per_second": flop / typical,
        "peak_flop_per_second": opened["peak"]["flops"],
        "share_of_peak": flop / typical / opened["peak"]["flops"],
        "node": ran["machine"]["node"],
        "fingerprint": ran["machine"]["fingerprint"],
        "started": measured["started"],
        "round_id": record["round_id"],
    }


def epoch_rows(record: dict) -> list[dict]:
    """The rows of epochs.csv for one record."""
    asked = record["asked"]
    identity = {key: asked[key] for key in IDENTITY}
    identity["competitor"] = f"{asked['framework']}-{asked['device']}"
    columns = ["epoch", "seconds", "wait_seconds", "steps", "images"]
    columns += ["average_loss", "test_loss", "test_accuracy"]
    return [
        identity | {column: epoch[column] for column in columns}
        for epoch in record["measured"]["epochs"]
    ]


def round_file(record_path: str) -> Path:
    """The file that opened the round of the record at results/runs/TRACK/SCENARIO/ROUND/NAME."""
    folder = Path(record_path).parent
    return Path(*("rounds" if part == "runs" else part for part in folder.parts)).with_suffix(
        ".json"
    )


def tables(paths: list[str], warmup_epochs: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs and epochs of these records. A record that does not follow the schema gives no row.

    The audit names such records; a table must not fail over them.
    """
    runs, epochs = [], []
    for path in paths:
        try:
            record = json.loads(Path(path).read_text())
            opened = json.loads(round_file(path).read_text())
            row, rows = run_row(record, opened, warmup_epochs), epoch_rows(record)
        except (ValueError, KeyError, TypeError, IndexError, ArithmeticError) as error:
            print(f"{path}: left out, {type(error).__name__}: {error}")
            continue
        runs.append(row | {"record": path})
        epochs += rows
    return pd.DataFrame(runs), pd.DataFrame(epochs)


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    runs, epochs = tables(snakemake.input.records, snakemake.params.warmup_epochs)
    write_table(runs, snakemake.output.runs)
    write_table(epochs, snakemake.output.epochs)
    print(f"{len(runs)} runs, {len(epochs)} epochs")
