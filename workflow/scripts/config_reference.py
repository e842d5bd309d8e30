"""Write the table of keys in config/README.md, from workflow/schemas/config.schema.yaml.

python workflow/scripts/config_reference.py
"""

import yaml

from evenhand.core import config_reference
from evenhand.core.schemas import ROOT, schema

if __name__ == "__main__":
    file = ROOT / "config/README.md"
    usual = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    table = config_reference.table(config_reference.keys(schema("config"), usual))
    file.write_text(config_reference.updated(file.read_text(), table))
