"""Start a program with the toolbox on its path:  python -E -s start.py PROGRAM ARGUMENTS

Every process of a framework starts so. -E and -s keep the user's PYTHONPATH and own site-packages
out; the toolbox is found because it lies beside this file, not through PYTHONPATH, which could not
hold a folder with a colon in its name.
"""

import runpy
import sys

if __name__ == "__main__":
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
