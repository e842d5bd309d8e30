"""The table of configuration keys, made from the schema."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import yaml

BEGIN = "<!-- keys, written by workflow/scripts/config_reference.py -->\n"
END = "<!-- end of keys -->\n"


class Key(NamedTuple):
    """A key of the configuration, described in Markdown; `name` is dotted, `data.folder`."""

    name: str
    values: str
    default: str
    description: str


def keys(schema: dict, usual: Mapping) -> list[Key]:
    """Every key that the schema describes, in its order.

    `usual`: the content of config/config.yaml, whose values go before the schema's defaults.
    """
    return list(_keys(schema, usual, ""))


def _keys(section: dict, usual: Mapping, before: str) -> Iterator[Key]:
    """The keys of a section. What a section as a whole is by default counts for its keys."""
    defaults = dict(usual) | section.get("default", {})
    for name, form in section["properties"].items():
        default = defaults.get(name, form.get("default"))
        known = "default" in form or name in defaults
        if form.get("type") != "object":
            in_yaml = _code(default) if known else ""
            yield Key(before + name, _values(form), in_yaml, form["description"])
            continue
        inner = form
        path = f"{before}{name}."
        names = ""
        if "properties" not in form:  # a mapping of names that the user chooses
            inner = form["additionalProperties"]
            path = f"{before}{name}.NAME."
            names = ", ".join(f"`{name}`" for name in default or ())
        yield Key(before + name, "section", names, form["description"])
        yield from _keys(inner, {}, path)


def _values(form: dict) -> str:
    """What a key may be, in words."""
    if "anyOf" in form:
        return " or ".join(map(_values, form["anyOf"]))
    if "enum" in form or "const" in form:
        return " or ".join(map(_code, form.get("enum", [form.get("const")])))
    types = form["type"] if isinstance(form["type"], list) else [form["type"]]
    words = [_of_type(name, form) for name in types if name != "null"]
    return " or ".join(words + ["`null`"] * ("null" in types))


def _of_type(name: str, form: dict) -> str:
    if name == "array":
        return f"list of {_values(form['items'])}".replace("number", "numbers")
    kind = {"string": "text", "integer": "whole number", "number": "number"}[name]
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {form[bound]}" for bound, sign in bounds.items() if bound in form]
    return " ".join([kind, ", ".join(limits)]).strip()


def _code(value) -> str:
    """A value as one writes it in YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return f"`{text.removesuffix('...' + chr(10)).strip()}`"


def table(keys: list[Key]) -> str:
    """The keys as a Markdown table."""
    rows = [("key", "values", "default", "meaning"), ("---",) * 4]
    rows += [(f"`{key.name}`", *key[1:]) for key in keys]
    return "".join(
        f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in row)} |\n"
        for row in rows
    )


def updated(text: str, table: str) -> str:
    """A text with the table between the two marks in it; ValueError if they are not there once."""
    before, begin, rest = text.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in old + after:
        raise ValueError(f"not once each: {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"
