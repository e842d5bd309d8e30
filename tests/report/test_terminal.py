"""What a terminal shows, event by event as Snakemake logs them."""

import io
import logging
import threading
from collections import namedtuple
from types import SimpleNamespace

import pytest
from snakemake.logging import ColorizingTextHandler, DefaultFormatter, logger
from snakemake_interface_logger_plugins.common import LogEvent

from evenhand.core.experiment import Experiment
from evenhand.core.schemas import ROOT
from evenhand.report import terminal
from support import records, results
from support.terminals import screen

pytestmark = pytest.mark.fast

HEADLINE = "NumPy’s epochs took 0.5 of PyTorch’s time"
COMPARISON = """\
track,scenario,a,b,ratio,low,high,words
controlled,baseline,numpy-cpu,pytorch-cpu,0.5,0.4512,0.55,faster
controlled,baseline,jax-cpu,pytorch-cpu,,,,not comparable
controlled,baseline,jax-cpu,numpy-cpu,2.0,1.9,2.1,slower
"""
RUNS = {
    number: ("train", {"track": "controlled", "scenario": "baseline", "round": "0"} | of)
    for number, of in enumerate(
        {"framework": framework, "device": "cpu"} for framework in ("pytorch", "numpy", "jax")
    )
}


class Dag(namedtuple("Dag", ["jobs", "due"])):
    def needrun_jobs(self):
        return self.due

    def __len__(self):
        return len(self.due)


class Watched:
    """A handler between a workflow that does nothing and a text."""

    def __init__(self, jobs=RUNS, target="report", **workflow):
        due = [
            SimpleNamespace(jobid=number, rule=SimpleNamespace(name=rule), wildcards_dict=wildcards)
            for number, (rule, wildcards) in jobs.items()
        ]
        asked = SimpleNamespace(rule=SimpleNamespace(name=target))
        config = results.config(
            rounds=1,
            tracks=["controlled"],
            scenarios={"baseline": {}},
            frameworks=["pytorch", "numpy", "jax"],
        )
        self.config, self.jobs, self.clock = config, jobs, 1000.0
        self.stream = io.StringIO()
        self.stream.isatty = lambda: True
        plain = ColorizingTextHandler(stream=self.stream)
        plain.setFormatter(DefaultFormatter())
        self.workflow = SimpleNamespace(
            output_settings=None,
            dag=Dag([*due, asked], due),
            logger_manager=SimpleNamespace(get_logfile=lambda: [".snakemake/log/a.log"]),
            **{"local_exec": True, "dryrun": False, "touch": False} | workflow,
        )
        self.handler = terminal.Terminal(self.workflow, Experiment(config), plain)

    def log(self, event=None, message="", level=logging.INFO, **fields) -> None:
        self.clock += 1
        fields |= {"event": event, "created": self.clock, "msg": message, "levelno": level}
        self.handler.handle(logging.makeLogRecord(fields))

    def start(self) -> None:
        header = (
            "datetime workflow_id platform host user snakemake_version python_version cmd "
            "snakefile_main basedir rundir cwd configfiles config_md5"
        )
        self.log(LogEvent.WORKFLOW_STARTED, **dict.fromkeys(header.split(), "header"))
        self.log(message="Building DAG of jobs...")
        self.log(LogEvent.JOB_STARTED, "Execute jobs...", jobs=list(self.jobs))

    def begin(self, number: int) -> None:
        self.log(LogEvent.JOB_INFO, "job info", jobid=number)

    def finish(self, number: int) -> None:
        self.begin(number)
        self.log(LogEvent.JOB_FINISHED, f"Finished jobid: {number}", job_id=number)

    def fail(self, number: int, *logs: str) -> None:
        self.log(
            LogEvent.ERROR, "CalledProcessError in ...", logging.ERROR, exception="RuleException"
        )
        rule, _ = self.jobs[number]
        self.log(LogEvent.JOB_ERROR, "Error", logging.ERROR, jobid=number, rule_name=rule, log=logs)

    @property
    def seen(self) -> list[str]:
        return [line for line in screen(self.stream.getvalue()) if line]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory with everything that a run leaves and the terminal shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/headline.txt").write_text(f"{HEADLINE}\n")
    (tmp_path / "results/comparison.csv").write_text(COMPARISON)
    return tmp_path


def page(folder) -> list[str]:
    """Where the page is: a path in one piece, on a line of its own if it is long."""
    path = f"{folder}/results/report.html"
    return [f"The page: {path}"] if len(path) <= 70 else ["The page:", f"    {path}"]


def test_runs_ratios_headline_and_page_are_all_that_is_left_on_the_screen(folder):
    watched = Watched()
    records.make(folder / "results", watched.config)
    watched.start()
    for number in RUNS:
        watched.finish(number)
    watched.log(message="Complete log(s): ...")
    watched.handler.close()
    *runs, ratios = watched.seen[:4]
    for line, framework in zip(runs, ("PyTorch", "NumPy", "JAX"), strict=True):
        assert line.startswith(f"controlled, baseline, round 1 of 1: {framework} ")
        assert line.endswith(" s an epoch")
    assert ratios.startswith("PRELIMINARY, 1 round: controlled, baseline: an epoch takes NumPy ")
    end = watched.seen.index(HEADLINE)
    assert watched.seen[end + 1 :] == [
        "controlled, baseline",
        "  NumPy / PyTorch  0.50  0.45 to 0.55  faster",
        "  JAX / PyTorch                        not comparable",
        *page(folder),
        "All details: .snakemake/log/a.log",
    ]


def test_the_bar_names_what_runs_and_leaves_the_line_to_rules_that_write_themselves():
    watched = Watched({0: RUNS[0], 1: ("doctor", {})})
    watched.start()
    watched.begin(0)
    assert watched.seen[-1].endswith("left; controlled, baseline, round 1 of 1: PyTorch")
    watched.begin(1)
    assert watched.seen == []
    watched.log(LogEvent.JOB_FINISHED, job_id=1)
    assert watched.seen[-1].endswith("left; controlled, baseline, round 1 of 1: PyTorch")
    watched.handler.close()


def test_a_failed_job_is_named_once_with_the_end_of_its_log_and_the_cure(folder):
    (folder / "a.log").write_text("".join(f"line {n}\n" for n in range(100)) + "ValueError: 7\n")
    watched = Watched()
    watched.start()
    watched.begin(1)
    watched.fail(1, "a.log", "none.log")
    watched.fail(1, "a.log", "none.log")
    final = "WorkflowError:\nAt least one job did not complete successfully."
    watched.log(LogEvent.ERROR, final, logging.ERROR)
    watched.handler.close()
    told = [f"  line {n}" for n in range(101 - terminal.TAIL, 100)]
    assert watched.seen[:-3] == [
        "FAILED: controlled, baseline, round 1 of 1: NumPy",
        "Its log, a.log, ends:",
        *told,
        "  ValueError: 7",
    ]
    assert " ".join(map(str.strip, watched.seen[-3:-1])) == terminal.CURE
    assert HEADLINE not in watched.seen


def test_who_interrupts_reads_how_to_go_on_and_of_no_failure():
    watched = Watched()
    watched.start()
    watched.begin(0)
    watched.log(message="Terminating processes on user request, this might take some time.")
    watched.fail(0)
    watched.handler.close()
    assert watched.seen[0] == terminal.CONTINUE and len(watched.seen) == 2


def test_warnings_and_errors_that_are_no_jobs_are_snakemakes_own():
    watched = Watched()
    watched.start()
    watched.begin(0)
    watched.log(message="made again", level=logging.WARNING)
    watched.log(LogEvent.ERROR, "MissingOutputException", logging.ERROR)
    assert watched.seen[:2] == ["made again", "MissingOutputException"]
    watched.handler.close()
    assert HEADLINE not in watched.seen


def test_where_nothing_is_to_do_headline_and_page_are_shown_all_the_same(folder):
    watched = Watched({})
    watched.log(LogEvent.WORKFLOW_STARTED)
    watched.log(message="Nothing to be done (all requested files are present and up to date).")
    watched.handler.close()
    assert watched.seen[:2] == ["Nothing to do: all that was asked for is there.", HEADLINE]
    assert watched.seen[-len(page(folder)) - 1 : -1] == page(folder)


def test_who_asks_for_something_else_gets_no_headline():
    watched = Watched(target="plan")
    watched.start()
    watched.handler.close()
    assert watched.seen == ["All details: .snakemake/log/a.log"]


@pytest.mark.parametrize("elsewhere", [{"local_exec": False}, {"dryrun": True}, {"touch": True}])
def test_where_jobs_do_not_run_here_the_log_is_snakemakes(elsewhere):
    watched = Watched(**elsewhere)
    watched.start()
    watched.log(LogEvent.JOB_FINISHED, "Finished jobid: 0", job_id=0)
    watched.handler.close()
    assert watched.seen[0] == "SNAKEMAKE" and "Building DAG of jobs..." in watched.seen
    assert watched.seen[-1] == "Finished jobid: 0"


def test_what_snakemake_says_without_running_anything_is_left_to_it():
    watched = Watched()
    watched.log(message="Unlocked working directory.")
    watched.handler.close()
    assert watched.seen == ["Unlocked working directory."]


def test_a_failure_of_its_own_ends_in_the_plain_log_and_not_in_the_runs_end(monkeypatch):
    watched = Watched()
    watched.start()
    monkeypatch.setattr(watched.handler.progress, "running", None)
    logger.addHandler(watched.handler)
    try:
        watched.begin(0)
    finally:
        logger.removeHandler(watched.handler)
    watched.log(LogEvent.JOB_FINISHED, "Finished jobid: 0", job_id=0)
    watched.handler.close()
    assert any(line.startswith("The log is plain from here on, TypeError") for line in watched.seen)
    assert watched.seen[-1] == "Finished jobid: 0"


def test_jobs_that_a_checkpoint_brings_are_taken_in():
    watched = Watched()
    watched.start()
    more = {"track": "controlled", "scenario": "baseline", "round": "1"}
    name = {"framework": "numpy", "device": "cpu"}
    rule = SimpleNamespace(name="train")
    late = SimpleNamespace(jobid=99, rule=rule, wildcards_dict=more | name)
    watched.workflow.dag.due.append(late)
    watched.begin(99)
    assert watched.handler.progress.due[99].run.of.number == 1
    assert watched.handler.show == watched.handler._watch, "plain"


def test_a_job_that_succeeds_in_another_attempt_spoils_nothing(folder):
    watched = Watched()
    records.make(folder / "results", watched.config)
    watched.start()
    watched.begin(0)
    watched.fail(0)
    for number in watched.jobs:
        watched.finish(number)
    watched.handler.close()
    assert HEADLINE in watched.seen
    assert not any(line.startswith("Run the same command again") for line in watched.seen)


def test_rules_that_write_on_the_terminal_are_known():
    programs = (ROOT / "workflow/scripts").glob("*.py")
    writing = {path.stem for path in programs if "import show" in path.read_text()}
    assert writing <= set(terminal.WRITING) and "fix_rounds" in writing


def test_no_color_is_respected(monkeypatch):
    def written() -> str:
        watched = Watched({})
        watched.start()
        watched.handler.close()
        return watched.stream.getvalue()

    assert f"\x1b[1m{HEADLINE}\x1b[0m" in written()
    monkeypatch.setenv("NO_COLOR", "1")
    assert HEADLINE in written() and "\x1b" not in written()


def test_no_thread_is_started_that_would_wake_beside_a_clock():
    before = threading.enumerate()
    watched = Watched()
    watched.start()
    watched.begin(0)
    watched.handler.close()
    assert threading.enumerate() == before
