"""`mlgitops ci start`: start the workflow that retrains, with the reason."""

import json
from typing import Annotated

import typer

from mlgitops.github import client, silence
from mlgitops.github.options import Url

RETRAIN = "retrain.yml"
LONGEST = 1000  # characters of the reason


def start(
    reason: Annotated[str, typer.Option(envvar="REASON", help="Why; the pull request shows it.")],
    drift: Annotated[
        str, typer.Option(envvar="DRIFT", help="What drifted, as `mlgitops ci drift` tells it.")
    ] = "",
    url: Url = "",
) -> None:
    """Start the workflow on the default branch."""
    there, known = client.connect(), silence.parse(drift)
    why = f"{reason[:LONGEST]}; {url}" if url else reason[:LONGEST]
    there.dispatch(
        RETRAIN, there.facts["default_branch"], reason=why, drift=json.dumps(dict(known))
    )
    print(client.escape_commands(f"started {RETRAIN}: {why}"))
