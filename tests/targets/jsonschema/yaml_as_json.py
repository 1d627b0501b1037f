"""Prints YAML files as JSON, one line for each."""

import json
import sys

import yaml

for name in sys.argv[1:]:
    with open(name, "rb") as file:
        print(json.dumps(yaml.safe_load(file), default=str))
