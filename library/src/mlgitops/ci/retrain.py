"""`make retrain`: the data from its remembered source again, and the model that follows from it."""

import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import NonNegativeInt

from mlgitops.ci import reproduce
from mlgitops.core import config, job_output
from mlgitops.data.ingest import POINTER, Data, data
from mlgitops.git import repository
from mlgitops.github import client, silence
from mlgitops.reporting.markdown import plain

VERSIONS = (POINTER.as_posix(), repository.LOCK)


class Retrain(config.Rule):
    """How often at most."""

    cooldown_days: NonNegativeInt


def cool_down(days: int) -> str:
    """Why it is too soon, by the history of main; "" if it is not."""
    # By the date of the merge that brought it: the branch's own commit may be much older.
    newest = ("log", "-1", "--first-parent", "--format=%ct")
    found = repository.git(*newest, repository.mainline(), "--", *VERSIONS)
    passed = (time.time() - int(found)) / 86_400 if found and found.strip() else days
    if passed >= days:
        return ""
    return (
        f"main's data or model changed {passed:.1f} days ago; the next run is after {days} days "
        "(gate.yaml: retrain.cooldown_days); FORCE=1 does not wait"
    )


def idle(force: bool) -> str:
    """Why there is nothing to do; "" if there is."""
    source = config.load(Data).source
    if not source:
        return "no data source is saved: `make data SOURCE=…` saves one"
    if "://" not in source and not Path(source).exists():
        return (
            f"the data source, {source}, is a file that is not on this machine: `make data "
            "SOURCE=…` on the machine that has it, or save an address that everybody can read"
        )
    return "" if force else cool_down(config.load(Retrain).cooldown_days)


def say(line: str) -> None:
    """How it ended, for the log and for the page of the run."""
    print(line)
    client.page(plain(line))


def add_to_report(reason: str, drift: silence.Drift) -> None:
    """Why it was retrained, for people, and what drifted, for the next run."""
    text = job_output.REPORT.read_text("utf-8")
    text += f"\nRetrained because: {plain(reason)}\n" if reason else ""
    text += f"\n{silence.mark(drift)}\n" if drift else ""
    job_output.write(job_output.REPORT, text.encode())


def retrain(
    force: Annotated[
        bool, typer.Option("--force", envvar="FORCE", help="Ignore the cool-down.")
    ] = False,
    reason: Annotated[
        str, typer.Option(envvar="REASON", help="Why; the pull request shows it.")
    ] = "",
    drift: Annotated[
        str, typer.Option(envvar="DRIFT", help="What drifted, for a proposal that is declined.")
    ] = "",
    base: Annotated[str, typer.Option(help="The branch to merge into.")] = "main",
) -> None:
    """Refresh the data, train, judge; leave the changes and the report in result/."""
    job_output.start()
    if why := idle(force):
        job_output.write(
            job_output.REPORT, f"{job_output.MARKER}\nNot retrained: {plain(why)}\n".encode()
        )
        job_output.tell(changed=False)
        say(f"not retrained: {why}")
        return
    with reproduce.report_failure():
        reproduce.fetch()
        data()
        found = reproduce.remake(reproduce.lock_text(), claims=True)
        passed = reproduce.write_result(base, found, POINTER.parent.as_posix())
    add_to_report(reason, silence.parse(drift))
    job_output.tell(changed=job_output.PATCH.exists())
    say(f"{reproduce.SAYS[found]}; the gate {'passes' if passed else 'refuses'}")
