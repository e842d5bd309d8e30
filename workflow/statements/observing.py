"""What the checks of every framework share. Standard library alone."""

import re
import subprocess
import sys
from importlib import metadata
from traceback import format_exception_only


def fails(call, error):
    """Whether `call()` raises `error`; prints the error's own line.

    Any other exception passes through: it is no answer.
    """
    try:
        call()
    except error as raised:
        name = type(raised).__name__
        lines = "".join(format_exception_only(type(raised), raised))
        # MXNet's message opens with a C++ stack, its own line follows;
        # JAX's may end with a link to the error's name.
        own = re.compile(rf"\s*([\w.]+\.)?{name}(:|$)")
        print(list(filter(own.match, lines.splitlines()))[-1].strip())
        return True
    print("no error")
    return False


def fresh_process(code):
    """What `code` prints in a new process of this interpreter.

    -I keeps the process apart from the user's PYTHONPATH and packages,
    as this one is, and from what lies in the working folder.
    """
    command = [sys.executable, "-I", "-c", code]
    process = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True
    )
    return process.stdout


def installer(package, receipt):
    """The program that installed `package`; None if it left no name.

    Prints what the package's metadata and the environment's receipt
    say: the installer, the wheel, how many packages, their size, and
    the time to build (where the workflow built the environment).
    """
    distribution = metadata.distribution(package)
    name = distribution.read_text("INSTALLER")
    installed_by = name.strip() if name else None
    wheel = distribution.read_text("WHEEL") or ""
    tags = re.findall("^Tag: (.+)", wheel, re.MULTILINE)
    print(f"{package} {distribution.version}, {receipt['deployment']}")
    print("installed by", installed_by)
    if installed_by != "conda" and tags:
        print("from the wheel", tags[0])
    print(
        f"{len(receipt['packages'])} packages,"
        f" {receipt['bytes'] / 1e9:.2f} GB"
    )
    if receipt["seconds"] is not None:
        print(f"built in {receipt['seconds']:.0f} s")
    return installed_by
