"""``bench config schema|show``: what can be configured, and what is in effect."""

from __future__ import annotations

import json

import typer
import yaml

from ..core.options import given_path
from ..harness.config import RunConfig, load_config
from .flags import FLAGS, ConfigOption, Given, takes
from .terminal import say

app = typer.Typer(help="The configuration of a run.", no_args_is_help=True)


@app.command()
def schema() -> None:
    """Print the JSON schema of configuration files, for editors and validators."""
    say(json.dumps(RunConfig.model_json_schema(), indent=2))


@app.command()
@takes(*FLAGS)
def show(given: Given, config: ConfigOption = None) -> None:
    """Print the configuration that bench run would use, as YAML: a file, flags over it, and all defaults.

    What it prints is itself a configuration file.
    """
    data = load_config(given_path(config) if config else None, given).model_dump(mode="json")
    say(yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip("\n"))
