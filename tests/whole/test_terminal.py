"""Runs in a terminal, and runs that nobody watches."""

import re

import pytest

from support import terminals
from support.checkouts import checkout, command, snakemake

SMALL = {
    "tracks": ["controlled"],
    "frameworks": ["numpy", "jax"],
    "scenarios": {"baseline": {"epochs": 2}},
}
ONE_JOB = "results/secret/key"


@pytest.fixture(scope="module")
def watched(environments, tmp_path_factory):
    """A checkout, and what a person saw of its whole run in a terminal."""
    folder = checkout(tmp_path_factory.mktemp("terminal") / "evenhand", environments, **SMALL)
    status, output = terminals.run(command(), folder)
    assert status == 0, output[-3000:]
    return folder, terminals.screen(output)


def test_each_run_is_a_line_and_the_rest_is_in_the_log_file(watched):
    folder, seen = watched
    runs = [
        line for line in seen if re.fullmatch(r"controlled, baseline, round .* s an epoch", line)
    ]
    assert len(runs) == 4
    assert {line.split(": ")[1].split()[0] for line in runs} == {"NumPy", "JAX"}
    assert len([line for line in seen if line.startswith("PRELIMINARY, 1 round: ")]) == 1
    assert "SNAKEMAKE" not in seen and not any("Finished jobid" in line for line in seen)
    (log,) = (folder / ".snakemake/log").glob("*.log")
    assert log.read_text().count("Finished jobid") > 20


def test_it_ends_in_the_headline_and_the_page(watched):
    folder, seen = watched
    headline = (folder / "results/headline.txt").read_text().strip()
    assert headline in (folder / "results/report.html").read_text()
    end = " ".join(line.strip() for line in seen[seen.index("controlled, baseline") - 3 :])
    assert headline in end and "NumPy" in end and str(folder / "results/report.html") in end


def test_a_second_run_says_so_and_ends_in_the_same_on_a_narrow_terminal(watched):
    folder, _ = watched
    status, output = terminals.run(command(), folder, columns=40)
    seen = terminals.screen(output)
    begin = seen.index("Nothing to do: all that was asked for is")
    assert status == 0 and any("report.html" in line for line in seen[begin:])
    too_wide = [line for line in seen[begin:] if len(line) > 40]
    assert all("/" in line for line in too_wide), too_wide  # paths and pairs are left whole


@pytest.mark.parametrize(
    ("options", "variables"),
    [([], {"CI": "true"}), ([], {"TERM": "dumb"}), (["--verbose"], {}), (["--dry-run"], {})],
)
def test_in_a_terminal_that_nobody_watches_the_log_is_snakemakes(tmp_path, options, variables):
    folder = checkout(tmp_path / "evenhand")
    status, output = terminals.run(command(*options, ONE_JOB), folder, **variables)
    assert status == 0
    assert "Building DAG of jobs..." in output
    assert "rule secret:" in output


def test_quiet_is_quiet(tmp_path):
    folder = checkout(tmp_path / "evenhand")
    status, output = terminals.run(command("--quiet", "all", "--", ONE_JOB), folder)
    assert status == 0 and "All details" not in output and "left" not in output


def test_redirected_output_is_snakemakes(tmp_path):
    folder = checkout(tmp_path / "evenhand")
    output = snakemake(folder, ONE_JOB)
    for words in ("SNAKEMAKE\n=====", "localrule secret:", "1 of 1 steps (100%) done"):
        assert words in output


def test_ctrl_c_leaves_a_line_of_advice_and_a_terminal_as_it_was(environments, tmp_path):
    folder = checkout(tmp_path / "evenhand", environments, rounds=1, **SMALL)
    trainer = folder / "workflow/trainers/controlled/numpy_mlp.py"
    # not on the doctor's 256 images
    waits = "if len(images) > 256:\n    import time\n    time.sleep(600)\nrun.finish("
    trainer.write_text(trainer.read_text().replace("run.finish(", waits))
    typed = []

    def interrupt(output: str) -> str:
        if typed or "left; controlled, baseline, round 1 of 1: NumPy" not in output:
            return ""
        typed.append("\x03")
        return typed[0]

    status, output = terminals.run(command(), folder, columns=120, react=interrupt)
    assert typed and status == 1
    assert any(
        "Interrupted. The same command goes on from here" in line
        for line in terminals.screen(output)
    )
    assert "FAILED" not in output
    assert "\x1b[?" not in output, "no cursor is hidden, no other screen is shown"
    assert output.endswith("\n")
