"""What an interactive terminal shows of a run, in place of Snakemake's own log.

A line for each timed run, the ratios after each whole round, a bar with the time that is left; at
the end the report's headline and its ratios. All of it is written while an event of Snakemake is
logged, in the thread that logs it: between two timed runs, and never by a timer or thread of its
own, which would wake beside a clock. docs/watching.md says why, and when the log stays plain.
"""

import csv
import os
import textwrap
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from logging import ERROR, WARNING, Handler, LogRecord
from pathlib import Path

from snakemake.logging import get_event, logger
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from tabulate import tabulate

from evenhand.core.experiment import Experiment
from evenhand.core.words import times
from evenhand.rounds.progress import Job, Progress

WRITING = ("download", "admit", "doctor", "fix_rounds")  # rules that write on the terminal
TAIL = 15  # lines of a failed job's log
# Snakemake's errors that only repeat what the lines about the failed job say.
REPEATED = ("CalledProcessError", "At least one job did not complete", "a job execution failed")
CURE = (
    "Run the same command again once the cause is removed: only what is missing runs. "
    "`snakemake --cores all doctor` says whether every framework can train here."
)
INTERRUPTED = "Terminating processes on user request"  # as Snakemake has it
CONTINUE = "Interrupted. The same command goes on from here: only what is missing runs."
BOLD, RED, YELLOW = "1", "1;31", "1;33"  # as ANSI escape sequences have them


class Terminal(LogHandlerBase):
    """Stands in for `plain`, Snakemake's handler of the terminal, and hands it what it leaves.

    It begins once Snakemake executes jobs, and jobs on this machine; until then, and from the first
    failure of its own on, all goes to `plain`.
    """

    writes_to_stream = has_filter = has_formatter = True
    writes_to_file = needs_rulegraph = False

    def __init__(self, workflow, experiment: Experiment, plain: Handler):
        super().__init__(workflow.output_settings, None)
        self.workflow, self.experiment, self.plain = workflow, experiment, plain
        self.stream = plain.stream
        self.show = self._wait
        self.progress: Progress | None = None
        self.bar = None
        self.failed: set[int] = set()  # jobs
        self.errors = self.interrupted = False

    def emit(self, record: LogRecord) -> None:
        with self._harmless():
            self.show(record)

    def close(self) -> None:
        """The last words, where Snakemake takes its handlers down."""
        if self.show == self._watch:
            with self._harmless():
                self._end()
            self.show = self.plain.handle
        super().close()

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        """Whatever goes wrong here, the run goes on, and its log is plain from then on."""
        try:
            yield
        except Exception as error:
            self.show = self.plain.handle
            with suppress(Exception):
                self._clear()
            logger.warning(f"The log is plain from here on, {type(error).__name__}: {error}")

    # ---- Before the first job --------------------------------------------

    def _wait(self, record: LogRecord) -> None:
        """Until Snakemake says that it executes, and not, say, lists or unlocks."""
        if get_event(record) == LogEvent.WORKFLOW_STARTED:
            self.header, self.show = record, self._choose
        else:
            self.plain.handle(record)

    def _choose(self, record: LogRecord) -> None:
        """With what follows, Snakemake knows where it will run jobs."""
        workflow = self.workflow
        here = workflow.local_exec and not workflow.dryrun and not workflow.touch
        self.show = self._watch if here else self.plain.handle
        if not here:
            self.show(self.header)
        self.show(record)

    def _begin(self) -> None:
        """Once, before the first job: what takes time to import or to read."""
        from tqdm import tqdm

        self.progress = Progress(self.experiment, labels(self.experiment), self._due())
        tqdm.monitor_interval = 0  # no thread that wakes to see whether the bar must be redrawn
        self.bar = tqdm(
            total=1,
            file=self.stream,
            bar_format="{percentage:3.0f}% {bar:10} {desc}",
            dynamic_ncols=True,
            position=0,
            leave=False,
        )

    def _due(self) -> dict[int, Job]:
        """The jobs that Snakemake knows to be needed, done or not."""
        return {
            job.jobid: Job(job.rule.name, job.wildcards_dict)
            for job in self.workflow.dag.needrun_jobs()
        }

    # ---- During the jobs -------------------------------------------------

    def _watch(self, record: LogRecord) -> None:
        event = get_event(record)
        if event == LogEvent.JOB_STARTED and self.progress is None:
            self._begin()
        elif event == LogEvent.JOB_INFO:
            self.failed.discard(record.jobid)
            if record.jobid not in self.progress.due:  # a checkpoint has brought it
                self.progress.take_in(self._due())
            self.progress.begin(record.jobid, record.created)
        elif event == LogEvent.JOB_FINISHED:
            self._finished(record)
        elif event == LogEvent.JOB_ERROR:
            self._error(record)
        elif record.levelno >= WARNING:
            self._other(record)
        elif record.getMessage().startswith(INTERRUPTED):
            self.interrupted = True
        else:
            return
        self._draw()

    def _finished(self, record: LogRecord) -> None:
        self.progress.finish(record.job_id, record.created)
        job = self.progress.due[record.job_id]
        if job.rule != "train":
            return
        self._say(self.progress.result(job))
        rounds, ratios = self.progress.ratios(job.run.of)
        if rounds == 1:
            self._say(f"PRELIMINARY, 1 round: {ratios}", YELLOW)
        elif rounds:
            count = len(self.progress.rounds(job.run.of.track, job.run.of.scenario))
            self._say(f"So far, {rounds} of {count} rounds: {ratios}")

    def _error(self, record: LogRecord) -> None:
        """A failed job: once, although Snakemake may say it again."""
        self.progress.fail(record.jobid)
        if self.interrupted or record.jobid in self.failed:
            return
        self.failed.add(record.jobid)
        self._say(f"FAILED: {self.progress.words(self.progress.due[record.jobid])}", RED)
        for path in filter(os.path.exists, record.log):
            with open(path, errors="replace") as lines:
                tail = "".join(f"  {line}" for line in deque(lines, TAIL))
            self._say(f"Its log, {path}, ends:\n{tail}")

    def _other(self, record: LogRecord) -> None:
        """Warnings, and errors that are no job's."""
        if not any(words in record.getMessage() for words in REPEATED):
            self.errors |= record.levelno >= ERROR
            self._clear()
            self.plain.handle(record)

    # ---- After the last job ----------------------------------------------

    def _end(self) -> None:
        """The report's headline and ratios, or the cure, and where to read on."""
        if self.bar is not None:
            self.bar.close()
        dag, results = self.workflow.dag, Path("results")
        whole = not (self.interrupted or self.failed or self.errors)
        if not whole:
            self._say(CONTINUE if self.interrupted else CURE, BOLD)
        elif not len(dag):
            self._say("Nothing to do: all that was asked for is there.")
        if whole and any(job.rule.name == "report" for job in dag.jobs):
            self._say((results / "headline.txt").read_text(encoding="utf-8").strip(), BOLD)
            with (results / "comparison.csv").open(encoding="utf-8", newline="") as table:
                self._say(ratio_table(list(csv.DictReader(table)), labels(self.experiment)))
            self._say(f"The page: {results.absolute() / 'report.html'}")
        for path in self.workflow.logger_manager.get_logfile():
            self._say(f"All details: {os.path.relpath(path)}")

    # ---- On the terminal -------------------------------------------------

    def _say(self, text: str, style: str = "") -> None:
        """Lines above the bar, as wide as the terminal at most."""
        for line in text.splitlines():
            line = self._wrapped(line)
            line = f"\033[{style}m{line}\033[0m" if style and self._colors else line
            self._clear()
            self.stream.write(f"{line}\n")
        self.stream.flush()

    def _wrapped(self, line: str) -> str:
        """As wide as the terminal, but for paths, which are to be copied."""
        return textwrap.fill(
            line,
            self._columns,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _draw(self) -> None:
        """The bar, unless something runs that writes on the terminal itself."""
        if self.bar is None:
            return
        running = {self.progress.due[number].rule for number in self.progress.running}
        if running.isdisjoint(WRITING):
            self.bar.n = self.progress.share
            self.bar.set_description_str(self.progress.now())
        else:
            self._clear()

    def _clear(self) -> None:
        if self.bar is not None:
            self.bar.clear()

    @property
    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except OSError:
            return 80

    @property
    def _colors(self) -> bool:
        return not (self.plain.nocolor or os.environ.get("NO_COLOR"))


def labels(experiment: Experiment) -> dict[str, str]:
    """Competitors in words, as the report has them."""
    from evenhand.report.looks import looks

    return {name: look.label for name, look in looks(experiment).items()}


def ratio_table(comparison: Sequence[Mapping[str, str]], labels: Mapping[str, str]) -> str:
    """The ratios of comparison.csv: of each contest, those to its first competitor."""
    contests = defaultdict(list)
    for row in comparison:
        pairs = contests[f"{row['track']}, {row['scenario']}"]
        if not pairs or pairs[0]["b"] == row["b"]:
            pairs.append(row)
    lines = []
    for contest, pairs in contests.items():
        cells = []
        for row in pairs:
            ratio, *interval = (
                times(float(row[column])) if row[column] else ""
                for column in ("ratio", "low", "high")
            )
            pair = f"{labels[row['a']]} / {labels[row['b']]}"
            cells.append([pair, ratio, " to ".join(filter(None, interval)), row["words"]])
        table = tabulate(cells, tablefmt="plain", disable_numparse=True)
        lines += [contest, textwrap.indent(table, "  ")]
    return "\n".join(lines)


def watch(workflow, experiment: Experiment) -> None:
    """Put Snakemake's handler of the terminal behind ours, where somebody watches.

    Nobody does where the output is redirected or asked for in another form, in CI, in the processes
    that Snakemake starts for its jobs, and where another workflow uses this one.
    """
    settings = workflow.output_settings
    asked = settings.quiet or settings.verbose or settings.debug_dag or settings.dryrun
    ours = workflow.is_main_process and workflow.modifier.is_main_snakefile()
    if not ours or asked or os.environ.get("CI") or os.environ.get("TERM") == "dumb":
        return
    for handler in list(logger.handlers):
        if handler.name == "DefaultStreamHandler" and handler.is_tty:
            logger.removeHandler(handler)
            logger.addHandler(Terminal(workflow, experiment, handler))
