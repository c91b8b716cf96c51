"""`make retrain`: the data from its remembered source again, and the model that follows from it."""

import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import NonNegativeInt

from ml import params
from ml.data import POINTER, Data, data
from ops import forge, history, reproduce, result
from ops.markdown import plain

VERSIONS = (POINTER.as_posix(), history.LOCK)


class Retrain(params.Section):
    """How often at most."""

    cooldown_days: NonNegativeInt


def resting(days: int) -> str:
    """Why it is too soon, by the history of main; "" if it is not."""
    # By the date of the merge that brought it: the branch's own commit may be much older.
    newest = ("log", "-1", "--first-parent", "--format=%ct")
    found = history.git(*newest, history.mainline(), "--", *VERSIONS)
    passed = (time.time() - int(found)) / 86_400 if found and found.strip() else days
    if passed >= days:
        return ""
    return (
        f"main's data or model changed {passed:.1f} days ago; the next time is after {days} days "
        "(params.yaml: retrain.cooldown_days), FORCE=1 does not wait"
    )


def idle(force: bool) -> str:
    """Why there is nothing to do; "" if there is."""
    source = params.load(Data).source
    if not source:
        return "no source of the data is known: `make data SOURCE=…` remembers one"
    if "://" not in source and not Path(source).exists():
        return (
            f"the source of the data, {source}, is a file that is not here, so one machine only "
            "knows it: `make data SOURCE=…` there, or remember an address that all can read"
        )
    return "" if force else resting(params.load(Retrain).cooldown_days)


def say(line: str) -> None:
    """How it ended, for the log and for the page of the run."""
    print(line)
    forge.page(plain(line))


def retrain(
    force: Annotated[bool, typer.Option("--force", help="Whenever the last time was.")] = False,
    reason: Annotated[str, typer.Option(help="Why; it stands in the proposal.")] = "",
    base: Annotated[str, typer.Option(help="The branch that this one goes to.")] = "main",
) -> None:
    """Refresh the data, train, judge; leave the changes and the report in result/."""
    result.start()
    if why := idle(force):
        result.write(result.REPORT, f"{result.MARKER}\nNot retrained: {plain(why)}\n".encode())
        result.tell(changed=False)
        say(f"not retrained: {why}")
        return
    with reproduce.told():
        reproduce.fetch()
        data()
        found = reproduce.made(reproduce.written(), claims=True)
        passed = reproduce.judged(base, found, POINTER.parent.as_posix())
    if reason:
        text = result.REPORT.read_text("utf-8")
        result.write(result.REPORT, f"{text}\nRetrained because: {plain(reason)}\n".encode())
    result.tell(changed=result.PATCH.exists())
    say(f"{reproduce.SAYS[found]}; the gate {'passes' if passed else 'refuses'}")
