"""Run an environment's Python inside its image, through docker or podman.

    python container.py --starter PROCESS --receipt FILE --read FOLDER ... --write FILE ... \
        -- ARGUMENTS OF PYTHON

The files to be written lie in one folder, of which what runs there sees nothing else.
"""

import argparse
import json
import sys
from pathlib import Path

from evenhand.core import axes
from evenhand.environments import containers, gpus


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--starter", type=int, required=True, help="the container ends with it")
    parser.add_argument("--receipt", type=Path, required=True, help="of the environment")
    parser.add_argument("--recorded", nargs="*", default=[], help="how variables to pass on begin")
    parser.add_argument("--read", type=Path, nargs="*", default=[], help="folders")
    parser.add_argument("--write", type=Path, nargs="+", required=True, help="files to be written")
    parser.add_argument("arguments", nargs="+", help="for Python, after --")
    args = parser.parse_args(argv)
    receipt = json.loads(args.receipt.read_text())
    device = axes.device(receipt["device"])
    options = device["container_options"].get(receipt["deployment"], [])
    try:
        containers.engines([receipt["deployment"]])
        return containers.run(
            receipt,
            gpus.filled(options),
            args.read,
            args.write,
            args.recorded,
            args.arguments,
            args.starter,
            withheld=device["unrecorded"],
        )
    except containers.ContainerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # the user's, to Snakemake and all that it has started
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
