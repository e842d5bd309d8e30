"""Write and lock the environment of another version of a framework, beside the one that is there.

    python workflow/scripts/new_version.py pytorch@2.4
    python workflow/scripts/new_version.py mxnet@2.0.0b1 --with numpy==1.23.5

The newest release of that version is pinned; of what else envs/{framework}-{device}.yaml pins,
everything stays as it is that the other version allows, unless --with says otherwise. Then the
version is a framework like any other: frameworks: [pytorch, pytorch@2.4]. Exit status 2: nothing
was written.
"""

import argparse
import sys

from evenhand.core.schemas import Refused
from evenhand.environments import versions
from evenhand.environments.locks import BuildError

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", metavar="NAME", help="FRAMEWORK@VERSION")
    parser.add_argument("--device", default="cpu", help="default: %(default)s")
    parser.add_argument("--with", dest="others", metavar="REQUIREMENT", nargs="+", default=[])
    args = parser.parse_args()
    try:
        written = versions.write(args.name, args.device, args.others)
    except (Refused, BuildError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print("Written:", *(f"  {path}" for path in written), sep="\n")
