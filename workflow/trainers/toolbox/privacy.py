"""Text from outside without the names in it. Standard library alone: it runs everywhere.

Results are shared; errors that programs end with, and variables of a user's shell, name people and
machines. Logs keep them.
"""

import os
import re

from toolbox.machine import where

# Where an absolute path begins, up to its first slash: in no address, relative path, fraction or
# closing tag; after a flag such as -L, too.
BEGIN = r"""(?:
    \bfile://[\w.-]*/
    | (?: (?<![\w.~/<)-]) | (?<=(?<![\w-])-) | (?<=(?<![\w-])-[A-Za-z])
        | (?<=<<) | (?<=<)(?!/[\w.:-]+>)
      ) /(?![/-])
)"""
# In a text, to the closing quote or to a message after it, spaces included; else to the next space.
QUOTED = "|".join(
    rf"(?<={opening}){BEGIN}[^\n{closing}]+?(?={closing}|:\s)"
    for opening, closing in ("''", '""', "``", (r"\(", r"\)"))
)
PATH = re.compile(rf"{QUOTED}|{BEGIN}[^\s:;,'\"`()<>\[\]{{}}]+", re.VERBOSE)
# In a variable, which may be a list of paths, to the next separator, spaces included.
PATH_IN_VARIABLE = re.compile(rf"{BEGIN}[^:;,]+", re.VERBOSE)

GPU = re.compile(r"\b(?:GPU|MIG)-[0-9a-f][0-9a-f-]{7,}")  # its UUID, as CUDA_VISIBLE_DEVICES has it


def anonymous(text: str) -> str:
    """The text with its paths and the names of this machine and of its GPUs replaced.

    Paths in the working folder become relative to it, those in the home folder begin with ~, any
    other absolute path becomes "(path)". The machine becomes "(host)", the UUID of a GPU "(gpu)".
    """
    home = os.path.expanduser("~")
    known = {home: "~", os.path.realpath(home): "~", os.getcwd(): "."}
    for folder in sorted(known, key=len, reverse=True):  # one may lie in another
        if folder != "/":
            text = re.sub(rf"{re.escape(folder)}(?![\w-])", known[folder], text)
    text = GPU.sub("(gpu)", PATH.sub("(path)", text))
    if node := where()["node"]:
        short = re.escape(node.partition(".")[0])
        text = re.sub(rf"(?<![\w-]){short}(?:\.[\w.-]*\w)?(?![\w-])", "(host)", text)
    return text


def anonymous_variable(value: str) -> str:
    """The same of an environment variable, whose absolute paths are "(path)" wherever they lead."""
    return anonymous(PATH_IN_VARIABLE.sub("(path)", value))
