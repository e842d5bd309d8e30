"""Make one framework's environment, or find it made, look inside, and leave a receipt."""

import argparse
import sys
import time
from pathlib import Path

from evenhand.environments import building, locks
from evenhand.environments.containers import ContainerError
from evenhand.environments.deployments import DEPLOYMENTS
from toolbox.record import write


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, required=True, help="its YAML file")
    parser.add_argument("--lock", type=Path, required=True, help="its lock")
    parser.add_argument("--deployment", choices=DEPLOYMENTS, required=True, help="the way")
    parser.add_argument("--image-prefix", required=True, help="how the names of images begin")
    parser.add_argument("--apptainer-args", default="", help="for its every start")
    parser.add_argument("--receipt", type=Path, required=True, help="where the receipt goes")
    args = parser.parse_args(argv)
    deployment, folder = DEPLOYMENTS[args.deployment], args.receipt.with_suffix("")
    begin = time.monotonic()
    try:
        python, package = locks.check_pins(args.environment, args.lock)
        deployment.check_ready([args.lock], args.image_prefix)
        made = deployment.make(
            args.lock,
            python=python,
            folder=folder,
            image_prefix=args.image_prefix,
            apptainer_args=args.apptainer_args,
        )
        receipt = building.receipt(made, python, package, args.lock)
    except (locks.BuildError, ContainerError) as error:
        sys.exit(str(error))
    seconds = round(time.monotonic() - begin, 3) if made.built_now else None
    write(args.receipt, receipt | {"seconds": seconds})


if __name__ == "__main__":
    main(sys.argv[1:])
