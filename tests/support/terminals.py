"""A command in a terminal of its own, and what a person would see there."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Sequence
from pathlib import Path

COLORS = re.compile("\x1b\\[[0-9;]*m")


def run(
    command: Sequence[str],
    folder: Path,
    columns: int = 80,
    react: Callable[[str], str] = lambda output: "",
    **variables: str,
) -> tuple[int, str]:
    """Exit status and all that a command writes in a terminal with so many columns.

    `react`: asked after each piece of output, with everything so far, for what is typed.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "CI"}

    def as_in_a_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl-C goes to this process ...
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ... which a background job would ignore

    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment | {"TERM": "xterm"} | variables,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        preexec_fn=as_in_a_terminal,
    )
    os.close(its)
    output = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # nobody has the other end open any more
            break
        output += piece
        if typed := react(output.decode(errors="replace")):
            os.write(ours, typed.encode())
    os.close(ours)
    return process.wait(), output.decode(errors="replace")


def screen(output: str) -> list[str]:
    """The lines that are left on the terminal: what follows a carriage return overwrites."""
    lines = []
    for line in COLORS.sub("", output).replace("\r\n", "\n").split("\n"):
        seen = ""
        for part in line.split("\r"):
            seen = part + seen[len(part) :]
        lines.append(seen.rstrip())
    return lines
