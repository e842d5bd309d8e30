"""Run a framework's checks today and in wrong worlds; print the answers as JSON.

Runs in the framework's environment: python visit.py FRAMEWORK. A world of {framework}_worlds.py is
a list: the status that a check must return there, then the patches that make the world.
"""

import json
import sys
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "workflow/statements"))
from check_statements import answer, checks_of

RECEIPT = {"deployment": "virtual environment", "packages": {}, "bytes": 1e9, "seconds": 10}


def visit(check, patches):
    with ExitStack() as world:
        for patch in patches:
            world.enter_context(patch)
        return answer(check, RECEIPT)


framework = sys.argv[1]
checks = checks_of(import_module(f"{framework}_statements"))
worlds = import_module(f"{framework}_worlds").WORLDS
found = {
    check.__name__: {
        "today": visit(check, []),
        "wrong": [
            {"expected": expected, **visit(check, patches)}
            for expected, *patches in worlds[check.__name__]
        ],
    }
    for check in checks
}
json.dump(found, sys.stdout)
