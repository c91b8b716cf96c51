"""`mlgitops ci drift`: has what production sees moved, for the job that starts a retraining."""

import json
from contextlib import suppress
from typing import Annotated, Any

import typer

from mlgitops.core import job_output, paths
from mlgitops.github import client
from mlgitops.monitoring import monitor


def drift(
    log: Annotated[
        str, typer.Option(envvar="LOG", help="Where the prediction log lies: a folder or files.")
    ],
) -> None:
    """Compare the log with the released model's data; tell later steps what moved.

    It needs no token. The report is on the page of the run and in result/.
    """
    job_output.start()
    found = outcome(log)
    text = paths.MONITOR_REPORT.read_text("utf-8")
    job_output.write(job_output.REPORT, text.encode())
    page = job_output.FOLDER / paths.MONITOR_PAGE.name
    job_output.write(page, paths.MONITOR_PAGE.read_bytes())
    moved = measures(found)
    job_output.tell(
        drift=bool(moved), reason=" ".join(found["reason"].split()), moved=json.dumps(moved)
    )
    client.page(text)
    print(client.escape_commands(found["reason"]))


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
