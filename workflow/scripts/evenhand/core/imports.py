"""Which modules of ours a program imports: they are inputs of the rule that runs it."""

import ast
from functools import cache
from pathlib import Path

from evenhand.core.schemas import ROOT

# Where `from evenhand...` and `from toolbox...` are found.
PACKAGES = {"evenhand": "workflow/scripts", "toolbox": "workflow/trainers"}


def modules_of(program: Path, root: Path = ROOT) -> list[Path]:
    """The files of evenhand and toolbox that a program imports, directly or not, sorted."""
    found, open_ = set(), [program]
    while open_:
        for module in _imported(open_.pop(), root) - found:
            found.add(module)
            open_.append(module)
    return sorted(found)


@cache
def _imported(file: Path, root: Path) -> frozenset[Path]:
    """The files that one file imports, wherever in it the import stands.

    What it does from the command line alone, `if "snakemake" not in globals()`, is no part of a
    rule.
    """
    found, nodes = set(), list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    apart = {inside for node in nodes if _is_command_line(node) for inside in ast.walk(node)}
    for node in nodes:
        if node in apart:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {path for name in names for path in _files(name, root)}
    return frozenset(found)


def _is_command_line(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "'snakemake' not in globals()"


def _files(name: str, root: Path) -> list[Path]:
    """The file of a dotted name, if it is a module of ours, and those of its packages."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return []
    folder = root / PACKAGES[parts[0]]
    packages = [folder.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    module = folder.joinpath(*parts).with_suffix(".py")
    return [path for path in (*packages, module) if path.is_file()]
