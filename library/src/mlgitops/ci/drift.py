"""`mlgitops ci drift`: has what production sees moved, for the job that starts a retraining."""

import json
from typing import Annotated

import typer

from mlgitops.core import job_output, paths
from mlgitops.github import client
from mlgitops.monitoring import monitor
from mlgitops.monitoring.outcome import Outcome


def drift(
    log: Annotated[
        str, typer.Option(envvar="LOG", help="Where the prediction log lies: a folder or files.")
    ],
) -> None:
    """Compare the log with the released model's data; tell later steps what moved.

    It needs no token. The report is on the page of the run and in result/.
    """
    job_output.start()
    found = monitor.look([log])
    text = paths.MONITOR_REPORT.read_text("utf-8")
    job_output.write(job_output.REPORT, text.encode())
    page = job_output.FOLDER / paths.MONITOR_PAGE.name
    job_output.write(page, paths.MONITOR_PAGE.read_bytes())
    job_output.tell(
        drift=bool(found.drifts),
        reason=" ".join(found.reason.split()),
        moved=json.dumps(measures(found)),
    )
    client.page(text)
    print(client.escape_commands(found.reason))


def measures(found: Outcome) -> dict[str, float]:
    """How far each thing moved that is drift, by its name and its measure."""
    return {
        f"{one.name} {measure.name}": float(measure.value)
        for one in found.drifts
        for measure in one.measures
        if measure.is_drift
    }
