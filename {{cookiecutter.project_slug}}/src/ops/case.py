"""`make case`: what a promotion changes in production, for the approver."""

import json
from typing import Any

from ml.errors import Mistake
from ops import changes, environments, history, result
from ops.environments import PRODUCTION, STAGING, Release
from ops.markdown import render

METRICS, TEST = "artifacts/metrics.json", "data/test.parquet"
MOST = 30  # commits


def measured(release: Release | None) -> dict[str, Any]:
    """The metrics of a release's commit, as Git has them."""
    found = history.text(release.commit, METRICS) if release else None
    return dict(json.loads(found)) if found else {}


def tested(release: Release | None) -> str | None:
    """The hash of the test rows that a release was measured on."""
    lock = history.lock(release.commit) if release else None
    return history.hashes(lock.stages).get(TEST) if lock else None


def facts(main: str) -> dict[str, Any]:
    """Everything that the template shows, by the releases on main."""
    staging, production = (environments.read(name, main) for name in (STAGING, PRODUCTION))
    if staging is None:
        raise Mistake(f"{STAGING} has no release: there is nothing to promote")
    before, now = measured(production), measured(staging)
    both = (production.commit, staging.commit) if production else None
    span = f"{production.commit}..{staging.commit}" if production else staging.commit
    log = history.git("log", "--first-parent", "--format=%h %s", span, "--", ".", ":!deploy/")
    return {
        "staging": staging,
        "production": production,
        "metrics": [
            {"name": name, "now": now.get(name), "before": before.get(name)} for name in now
        ],
        "params": changes.parameters(*both) if both else [],
        "schema": changes.contract(*both) if both else [],
        "kept": changes.kept,
        "same_test": tested(production) == tested(staging),
        "commits": (log or "").splitlines(),
        "most": MOST,
    }


def case() -> None:
    """Write result/report.md; the report of `make reproduce` follows if it is of the same model.

    A workflow is told the commit of main that it is about.
    """
    main = history.mainline()
    found = facts(main)
    text = render("case.md.j2", **found)
    lock = history.lock(history.head())
    if result.REPORT.exists() and lock and lock.model == found["staging"].model:
        text += "\n" + result.REPORT.read_text("utf-8").replace(f"{result.MARKER}\n", "", 1)
    result.FOLDER.mkdir(exist_ok=True)
    result.write(result.REPORT, text.encode())
    result.tell(commit=main)
    print(f"{result.REPORT}: {len(text)} characters")
