"""Closed schemas: defaults filled in, and one line for what they refuse."""

import copy
import difflib
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, validators

ROOT = Path(__file__).parents[4]


class Refused(ValueError):
    """Something cannot be used as it is; the message is one line that names the key."""


def schema(name: str) -> dict:
    """The content of workflow/schemas/{name}.schema.yaml, of the code that runs."""
    return yaml.safe_load((ROOT / f"workflow/schemas/{name}.schema.yaml").read_text())


def completed(content: dict, name: str) -> dict:
    """The content with the schema's defaults filled in, in place; Refused if it does not fit."""
    for error in _completing_validator(schema(name)).iter_errors(content):
        raise Refused(_in_words(error))
    return content


def _completing_validator(schema: dict):
    """A validator that fills in the schema's defaults on its way down, and makes numbers whole.

    Snakemake hands the numbers inside a `--config key={...}` over as text; they are read here. 5.0
    is the whole number 5 where one is wanted, as in JSON Schema.
    """

    def complete(validator, properties, instance, schema):
        if isinstance(instance, dict):
            for key, subschema in properties.items():
                if key in instance:
                    instance[key] = _converted(instance[key], subschema)
                elif "default" in subschema:
                    instance[key] = copy.deepcopy(subschema["default"])
        yield from Draft202012Validator.VALIDATORS["properties"](
            validator, properties, instance, schema
        )

    return validators.extend(Draft202012Validator, {"properties": complete})(schema)


def _converted(value, schema: dict):
    """The value with text read as the number that the schema wants, and whole numbers as such."""
    forms = [schema, *schema.get("anyOf", [])]
    types = {name for form in forms for name in _types(form)}
    if isinstance(value, list) and "items" in schema:
        return [_converted(item, schema["items"]) for item in value]
    if isinstance(value, str) and types and "string" not in types:
        value = yaml.safe_load(value)
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return int(value)
    return value


def _types(schema: dict) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def _in_words(error) -> str:
    """One line for a schema error: the key, what is wrong with it, what is allowed."""
    key = ".".join(str(part) for part in error.absolute_path)
    where = f"{key}: " if key else ""
    if error.validator == "additionalProperties":
        unknown = next(k for k in error.instance if k not in error.schema["properties"])
        return f"{where}{suggestion(unknown, list(error.schema['properties']), 'key')}"
    if error.validator == "enum":
        return f"{where}{suggestion(error.instance, error.validator_value)}"
    if error.validator == "anyOf":
        allowed = " or ".join(map(_form_in_words, error.validator_value))
        return f"{where}{error.instance!r} is not {allowed}"
    if error.validator == "type" and "array" in _types(error.schema):
        return f"{where}{error.instance!r} is not a list: [{error.instance}] may be meant"
    if "propertyNames" in error.schema_path:
        return f"{where}`{error.instance}` is no name: small letters, digits and hyphens only"
    about = error.schema.get("description", "")
    return f"{where}{error.message}" + (f" ({about.strip().rstrip('.')})" if about else "")


def _form_in_words(form: dict) -> str:
    """One of several allowed forms of a value."""
    if "const" in form:
        return f"`{form['const']}`"
    kind = {"integer": "a whole number", "number": "a number"}.get(form.get("type"), "of its type")
    if "minimum" in form and "maximum" in form:
        return f"{kind} from {form['minimum']} to {form['maximum']}"
    return f"{kind} of at least {form['minimum']}" if "minimum" in form else kind


def suggestion(wrong, allowed: list, what: str = "name") -> str:
    """`wrong` is unknown; what may have been meant, and what is allowed."""
    near = difflib.get_close_matches(str(wrong), allowed, n=1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"unknown {what} `{wrong}`{hint} (allowed: {', '.join(map(str, allowed))})"
