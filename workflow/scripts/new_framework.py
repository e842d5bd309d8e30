"""Write the files that begin a new framework, all or none: nothing is overwritten.

    python workflow/scripts/new_framework.py mylib --package mylib==1.2.3 --label MyLib

envs/mylib-cpu.yaml pins the package, and beside it what the toolbox needs.
workflow/frameworks/mylib.yaml is what the workflow knows of the framework.
workflow/trainers/controlled/mylib_mlp.py trains it once its four sections are filled in; until then
it ends with a sentence that says what comes next. Exit status 2: nothing could be written.
"""

import argparse
import sys

from evenhand.core.schemas import Refused
from evenhand.porting import scaffold

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", metavar="NAME", help="as in NAME_mlp.py: small letters")
    parser.add_argument("--package", metavar="PIN", required=True, help="PACKAGE==VERSION")
    parser.add_argument("--label", help="its name in the report; NAME if none is given")
    parser.add_argument("--device", default=scaffold.DEVICE, help="default: %(default)s")
    args = parser.parse_args()
    try:
        label = args.name if args.label is None else args.label
        written = scaffold.write(args.name, args.package, label, args.device)
    except (Refused, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print("Written:", *(f"  {path}" for path in written), "Next:", sep="\n")
    print(scaffold.next_steps(args.name, args.device), end="")
