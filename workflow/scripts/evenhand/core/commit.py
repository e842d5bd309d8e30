"""Which state of the code this is."""

import os
import subprocess

from evenhand.core.schemas import ROOT

# What decides on the numbers, seen from the project's root.
CODE = ("Snakefile", "config", "containers", "envs", "profiles", "requirements.txt", "workflow")


def commit() -> str | None:
    """The commit of the code, with `-dirty` after it where files differ from it or are new.

    None without git, or in a copy without a history of its own, whatever repository it lies in.
    """
    commands = (["rev-parse", "HEAD"], ["status", "--porcelain", "--", *CODE])
    here_alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(ROOT.parent)}
    try:
        head, changes = (
            subprocess.check_output(
                ["git", "-C", ROOT, *command],
                env=here_alone,
                text=True,
                stderr=subprocess.DEVNULL,
            )
            for command in commands
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.strip() + ("-dirty" if changes else "")
