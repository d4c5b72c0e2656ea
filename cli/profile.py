"""``bench profile``: what single parts cost on this machine."""

from __future__ import annotations

import typer

from . import profile_decoding, profile_harness, profile_scaling, profile_tuning

app = typer.Typer(help="What single parts cost on this machine.", no_args_is_help=True)
app.command("decoding")(profile_decoding.decoding)
app.command("harness")(profile_harness.harness)
app.command("scaling")(profile_scaling.scaling)
app.command("tuning")(profile_tuning.tuning)
