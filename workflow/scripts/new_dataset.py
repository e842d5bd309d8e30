"""Describe a folder of one's own IDX files as a data set, which scenarios can name.

    python workflow/scripts/new_dataset.py letters path/to/folder --label "EMNIST letters"

The folder has four files, .gz or not, whose names tell them apart: train-images, train-labels,
test-images (or t10k-images) and test-labels, with whatever before and after. Images may have any
size, and labels go from 0 to at most 255. workflow/datasets/letters.yaml then says where they lie
and what they are; scenarios: {baseline: {dataset: letters}}. Exit status 2: nothing was written.
"""

import argparse
import sys
from pathlib import Path

from evenhand.core.schemas import Refused
from evenhand.data import own

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", metavar="NAME", help="small letters, digits and hyphens")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="with the four files")
    parser.add_argument("--label", help="its name in the report; NAME if none is given")
    parser.add_argument("--source", default="not stated", help="where it was published")
    parser.add_argument("--license", default="not stated", help="under which license")
    parser.add_argument("--shows", help="what its images show; LABEL if not given")
    args = parser.parse_args()
    label = args.label or args.name
    facts = {"label": label, "source": args.source, "license": args.license}
    facts["shows"] = args.shows or f"images of {label}"
    try:
        written = own.write(args.name, args.folder, facts)
    except Refused as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(f"Written: {written}")
