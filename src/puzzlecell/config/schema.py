"""The JSON schema of configuration files, with which editors complete and check keys."""

from typing import Any

from puzzlecell.config.models import ModelSettings, StageSettings
from puzzlecell.config.workflow import Configuration

# Keys whose values override keys of another section and are merged into it before validation.
PARTIAL = {
    ModelSettings.__name__: {
        "training": "TrainingSettings",
        "network": "NetworkSettings",
        "input": "InputSettings",
    },
    StageSettings.__name__: {"training": "TrainingSettings"},
}


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of configuration files."""
    schema = Configuration.model_json_schema()
    for section, keys in PARTIAL.items():
        for key, target in keys.items():
            found = schema["$defs"][section]["properties"][key]
            schema["$defs"][section]["properties"][key] = {
                "$ref": f"#/$defs/{target}",
                "description": found["description"],
            }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
