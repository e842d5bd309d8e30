"""What the workflow's programs import: a room for each phase.

Snakemake puts a program's own folder on its path, and so does Python; this package lies there. The
toolbox lies with the trainers, since it runs in the frameworks' environments; this is the one place
that adds its folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "trainers"))
