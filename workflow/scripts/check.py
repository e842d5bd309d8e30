"""Check a port of the training to any framework, without configuration, lock or network.

    python workflow/scripts/check.py TRAINER --python results/environments/NAME/bin/python
    python workflow/scripts/check.py my_port.py --npz --python "conda run -n mine python"
    python workflow/scripts/check.py my_port.py --folder "$PWD/trial" \\
        --python "podman run --rm -v $PWD:$PWD IMAGE python"

The trainer trains on 512 digits, in float64 and in float32, and is held against NumPy step by step.
One page says whether it passes, or the first step that deviates, by how much, the likely cause, and
what the first step shows. The exit status is 0 if it passes, 1 if not, 2 if it could not be judged.
docs/porting.md tells how to read the page, and describes the files of --npz.
"""

import sys

from evenhand.porting.check import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], __doc__))
