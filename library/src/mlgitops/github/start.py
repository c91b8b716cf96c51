"""`mlgitops ci start`: start the workflow that retrains, if what drifted is news."""

import json
from typing import Annotated

import typer

from mlgitops.core.errors import join_names
from mlgitops.github import client, silence
from mlgitops.github.options import Branch, Url

RETRAIN = "retrain.yml"
LONGEST = 1000  # characters of the reason


def start(
    branch: Branch,
    reason: Annotated[str, typer.Option(envvar="REASON", help="Why; the pull request shows it.")],
    drift: Annotated[
        str, typer.Option(envvar="DRIFT", help="What drifted, as `mlgitops ci drift` tells it.")
    ],
    url: Url = "",
) -> None:
    """Start the workflow on the default branch, unless a closed proposal had the same drift."""
    there, moved = client.connect(), silence.parse(drift)
    news = silence.loud(moved, silence.find_declined(there, branch))
    if not news:
        client.summary("Nothing to do: the closed proposal had this drift, and it has not grown.")
        return
    why = f"{reason[:LONGEST]}; {url}" if url else reason[:LONGEST]
    there.dispatch(
        RETRAIN, there.facts["default_branch"], reason=why, drift=json.dumps(dict(moved))
    )
    print(client.escape_commands(f"started {RETRAIN} for {join_names(news)}: {why}"))
