"""Validates configurations and plans against the JSON Schemas that entrain ships.

Arguments: the schema, then TOML or JSON files. Prints a line for each file: "ok", or what is wrong with it.
"""

import json
import sys
import tomllib

from jsonschema import Draft202012Validator

schema_path, *files = sys.argv[1:]
with open(schema_path, "rb") as file:
    schema = json.load(file)
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)


def plain(value):
    """Dates and times, which JSON does not have, as objects that no schema of a text accepts."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, (str, bool, int, float)):
        return value
    return {"date": str(value)}


for name in files:
    with open(name, "rb") as file:
        document = json.load(file) if name.endswith(".json") else plain(tomllib.load(file))
    errors = sorted(validator.iter_errors(document), key=lambda error: error.json_path)
    print("; ".join(f"{error.json_path}: {error.message[:200]}" for error in errors) or "ok")
