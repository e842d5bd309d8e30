"""What the checks of every framework share. Standard library alone."""

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
        # MXNet's message opens with a C++ stack; its own line follows.
        print([line for line in lines.splitlines() if name in line][-1])
        return True
    print("no error")
    return False


def fresh_process(code):
    """What `code` prints in a new process of this interpreter."""
    command = [sys.executable, "-c", code]
    process = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True
    )
    return process.stdout


def installer(package, receipt):
    """The program that installed `package`, by its own metadata.

    Prints the environment's receipt: packages, size and build time.
    """
    installed_by = metadata.distribution(package).read_text("INSTALLER")
    installed_by = installed_by.strip()
    version = metadata.version(package)
    print(f"{package} {version}, installed by {installed_by}")
    print(
        f"{receipt['deployment']}, {len(receipt['packages'])} packages"
    )
    print(
        f"{receipt['bytes'] / 1e9:.2f} GB, {receipt['seconds']:.0f} s"
    )
    return installed_by
