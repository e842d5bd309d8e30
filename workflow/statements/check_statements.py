"""Check one framework's statements on one device; write JSON.

Runs in the framework's own environment: standard library, toolbox and
the framework alone. A check is a function of {framework}_statements.py,
named after its statement. It prints what a reader should see and
returns a status of statements.yaml.
"""

import argparse
import importlib
import inspect
import io
import json
import os
import platform
import sys
from contextlib import redirect_stdout
from importlib import metadata
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "trainers"))
from toolbox.privacy import anonymous


def checks_of(module):
    """The checks that `module` defines, in the order of its file."""
    functions = inspect.getmembers(module, inspect.isfunction)
    own = [f for _, f in functions if f.__module__ == module.__name__]
    return sorted(own, key=lambda f: f.__code__.co_firstlineno)


def answer(check, receipt):
    """One check's status, with the code that ran and its output.

    The output goes to the log as it is; in the answer, which the page
    shows, it names no machine and no folder of the user's.
    A name or an argument that the framework no longer has is an
    answer, and marked `lost`: the check could not see the rest. Any
    other exception passes through: a missing GPU, say, is no answer
    to a statement.
    """
    wanted = inspect.signature(check).parameters
    arguments = {"receipt": receipt} if "receipt" in wanted else {}
    lost = False
    with redirect_stdout(io.StringIO()) as output:
        try:
            status = check(**arguments)
        except (AttributeError, ImportError, TypeError) as error:
            print(f"{type(error).__name__}: {error}")
            status, lost = "no longer", True
    said = output.getvalue().strip("\n")
    print(
        f"{check.__name__}: {status}", said, sep="\n", file=sys.stderr
    )
    return {
        "statement": check.__name__,
        "status": status,
        "lost": lost,
        "code": inspect.getsource(check).strip(),
        "output": anonymous(said),
    }


def versions_of(modules):
    """The package that brings each module, and its version.

    A framework's builds for a processor and for a GPU may be packages
    of different names.
    """
    packages = metadata.packages_distributions()
    names = [packages[module][0] for module in modules]
    return {
        name.replace("_", "-"): metadata.version(name) for name in names
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0]
    )
    parser.add_argument("--framework", required=True)
    parser.add_argument("--device", required=True, help="cpu or cuda")
    parser.add_argument(
        "--receipt", required=True, help="JSON of the environment"
    )
    parser.add_argument(
        "--output", required=True, help="JSON, a list of answers"
    )
    parser.add_argument(
        "--set", nargs="*", default=[], help="variables, NAME=VALUE"
    )
    flags = parser.parse_args()

    # Before the framework is loaded, which reads them once.
    os.environ.update(pair.split("=", 1) for pair in flags.set)
    checks = importlib.import_module(f"{flags.framework}_statements")
    with open(flags.receipt) as file:
        receipt = json.load(file)
    environment = {
        "framework": flags.framework,
        "device": flags.device,
        "versions": {
            "python": platform.python_version(),
            **versions_of(checks.MODULES),
        },
    }
    with checks.DEVICES[flags.device]:
        answers = [
            environment | answer(check, receipt)
            for check in checks_of(checks)
        ]
    with open(flags.output, "w") as file:
        json.dump(answers, file, indent=1)


if __name__ == "__main__":
    main()
