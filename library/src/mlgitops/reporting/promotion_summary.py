"""`mlgitops ci summary`: what a promotion changes in production, for the approver."""

import json
from typing import Any

from mlgitops.core import job_output, paths
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.releases import release_env
from mlgitops.releases.release_env import PRODUCTION, STAGING, Release
from mlgitops.reporting import diff
from mlgitops.reporting.markdown import render

METRICS, TEST = paths.METRICS.as_posix(), paths.TEST.as_posix()
MOST = 30  # commits


def metrics_of(release: Release | None) -> dict[str, Any]:
    """The metrics of a release's commit, as Git has them."""
    found = repository.text(release.commit, METRICS) if release else None
    return dict(json.loads(found)) if found else {}


def test_hash(release: Release | None) -> str | None:
    """The hash of the test rows that a release was measured on."""
    lock = repository.lock(release.commit) if release else None
    return repository.hashes(lock.stages).get(TEST) if lock else None


def facts(main: str) -> dict[str, Any]:
    """Everything that the template shows, by the releases on main."""
    staging, production = (release_env.read(name, main) for name in (STAGING, PRODUCTION))
    if staging is None:
        raise UserError(f"{STAGING} has no release: there is nothing to promote")
    before, now = metrics_of(production), metrics_of(staging)
    both = (production.commit, staging.commit) if production else None
    span = f"{production.commit}..{staging.commit}" if production else staging.commit
    log = repository.git("log", "--first-parent", "--format=%h %s", span, "--", ".", ":!deploy/")
    return {
        "staging": staging,
        "production": production,
        "metrics": [
            {"name": name, "now": now.get(name), "before": before.get(name)} for name in now
        ],
        "params": diff.parameters(*both) if both else [],
        "schema": diff.contract(*both) if both else [],
        "select": diff.select,
        "same_test": test_hash(production) == test_hash(staging),
        "commits": (log or "").splitlines(),
        "most": MOST,
    }


def summary() -> None:
    """Write result/report.md; the report of `make reproduce` follows if it is of the same model.

    A workflow is told the commit of main that it is about.
    """
    main = repository.mainline()
    found = facts(main)
    text = render("promotion.md.j2", **found)
    lock = repository.lock(repository.head())
    if job_output.REPORT.exists() and lock and lock.model == found["staging"].model:
        text += "\n" + job_output.REPORT.read_text("utf-8").replace(f"{job_output.MARKER}\n", "", 1)
    job_output.FOLDER.mkdir(exist_ok=True)
    job_output.write(job_output.REPORT, text.encode())
    job_output.tell(commit=main)
    print(f"{job_output.REPORT}: {len(text)} characters")
