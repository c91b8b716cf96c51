"""`mlgitops ci drift`: has what production sees moved, and is it news."""

import json
from contextlib import suppress
from typing import Annotated, Any

import typer

from mlgitops.core import job_output, paths
from mlgitops.core.errors import join_names
from mlgitops.github import client, silence
from mlgitops.github.options import Branch
from mlgitops.monitoring import monitor


def drift(
    log: Annotated[
        str, typer.Option(envvar="LOG", help="Where the prediction log lies: a folder or an URL.")
    ],
    branch: Branch,
) -> None:
    """Compare the log with the released model's data; leave the report in result/.

    Later steps are told `drift=true` unless a closed proposal of the branch has the same already.
    """
    job_output.start()
    found = outcome(log)
    text = paths.MONITOR_REPORT.read_text("utf-8")
    job_output.write(job_output.REPORT, text.encode())
    moved = measures(found)
    news = silence.loud(moved, silence.declined(client.connect(), branch)) if moved else {}
    job_output.tell(
        drift=bool(news), reason=" ".join(found["reason"].split()), moved=json.dumps(moved)
    )
    client.page(text)
    print(client.escape_commands(says(found, moved, news)))


def outcome(log: str) -> dict[str, Any]:
    """What `make monitor` writes, whether there is drift or not."""
    with suppress(typer.Exit):  # drift, which the outcome says
        monitor.monitor([log])
    found: dict[str, Any] = json.loads(paths.MONITOR.read_bytes())
    return found


def measures(found: dict[str, Any]) -> dict[str, float]:
    """How far each thing moved that is drift, by its name and its measure."""
    return {
        f"{one['name']} {name}": measure["value"]
        for one in found["findings"]
        for name, measure in one["measures"].items()
        if measure["value"] > measure["limit"]
    }


def says(found: dict[str, Any], moved: silence.Drift, news: silence.Drift) -> str:
    """The outcome on one line, and what follows of it."""
    if not moved:
        return str(found["reason"])
    if not news:
        return f"{found['reason']}. The closed proposal had it, and it has not grown: nothing to do"
    return f"{found['reason']}. To be retrained for {join_names(news)}"
