"""`mlgitops ci judge`: what a change made, judged by the code and the rules that stand here.

This checkout is the default branch's. The change lies in a folder as files that are read, and what
its own jobs made lies in result/. A process without a token and without a network loads its model.
"""

import json
import shutil
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
import yaml

from mlgitops.ci import examine, images, sandbox
from mlgitops.ci.reproduce import CHANGED
from mlgitops.core import job_output, paths
from mlgitops.core.errors import UserError, join_names
from mlgitops.core.files import copy, remove
from mlgitops.evaluation.decision import Decision, decide
from mlgitops.git.commits import git
from mlgitops.git.runner import run
from mlgitops.github import client, push_outputs
from mlgitops.github.options import Head, Url
from mlgitops.releases import release_change
from mlgitops.reporting import report
from mlgitops.reporting.rules import gate_rules, rule_changes

TREE = Path("judged")  # the change's files with what its pipeline made, none of them a link
RULES = (paths.RULES, paths.SCHEMA)
NO_REPORT = (
    f"{job_output.MARKER}\n## ❌ No report\n\nThe job pipeline ended without a report: {{url}}\n\n"
    "It ended before it judged the commit: the environment could not be made (does uv.lock match "
    "pyproject.toml?), or it ran out of time.\n"
)
FORK = (
    "not run: a fork's check has no login to the store. A maintainer starts it, once they have "
    "read the change: `git fetch origin pull/NUMBER/head`, `git push origin "
    "FETCH_HEAD:refs/heads/fork-NUMBER`, then a pull request of that branch"
)
NOT_MADE = (
    "what the pipeline makes (dvc.lock, artifacts, the model card) is out of date in this commit, "
    "and a fork's check may not commit it: `make reproduce`, then `git add --all && git commit && "
    "git push`"
)


class Judged(NamedTuple):
    """A verdict by some rules, as it was written; None with the reason where there is none."""

    verdict: dict[str, Any] | None
    reason: str


def judge(
    head: Head,
    base: Annotated[str, typer.Option(envvar="BASE", help="The branch to merge into.")] = "main",
    url: Url = "",
) -> None:
    """Judge what a change made; leave the verdict, the report and the patch in verdict/."""
    job_output.start(job_output.JUDGED)
    sha = client.sha(head)
    try:
        found = verdict_on(sha, base) if job_output.VERDICT.exists() else not_made(sha, url)
    except UserError as error:
        found = Found(Decision("refused", [str(error)]), report.failure(str(error)))
    write(sha, found)
    print(f"{found.decision.state}: {join_names(found.decision.reasons) or 'within every limit'}")


class Found(NamedTuple):
    """The decision and the report on it."""

    decision: Decision
    report: str


def verdict_on(head: str, base: str) -> Found:
    """Both verdicts, by the rules here and by the change's own, and what follows of them."""
    patch = prepare_tree(head)
    refusals = [NOT_MADE] if patch and is_foreign(head) else []
    releases = release_change.check(base, head, images.read())
    rules = rule_changes(base, head) + releases.doubts
    other = TREE / "artifacts/gate-by-base.json"
    ours = examine_tree(base, by_base=True) if rules else None
    if ours and ours.verdict:
        other.write_text(json.dumps(ours.verdict))
    refusals += releases.refused
    more = [f"--doubt={line}" for line in releases.doubts]
    own = examine_tree(
        base, f"--other={other.absolute()}", f"--refusal={join_names(refusals)}", *more
    )
    decision = decide(own.verdict, ours.verdict if ours else own.verdict, rules)
    if own.verdict is None:
        decision = Decision("refused", [own.reason])
    for refusal in refusals if own.verdict else ():
        decision = decision.refuse(refusal)
    text = body(own, decision)
    if patch:
        shutil.copyfile(patch, job_output.JUDGED / job_output.PATCH.name)
        text += f"\n{CHANGED}\n"
    return Found(decision, text)


def is_foreign(head: str) -> bool:
    """Whether no branch of this repository has the head: a fork's, or a newer push was made."""
    return not git("for-each-ref", f"--points-at={head}", "refs/remotes/origin", "refs/heads")


def prepare_tree(head: str) -> Path | None:
    """The files of the change with what its pipeline made; the patch of the latter, if any."""
    run("fetch", "--quiet", str(job_output.CHANGE.absolute()), head)
    patch = push_outputs.patch_path(job_output.FOLDER)
    if patch:
        push_outputs.apply_patch(head, patch)  # refuses a path that no pipeline makes
    remove(TREE)
    git("worktree", "prune")
    # A link becomes a file with the path in it: nothing outside can be read or written by one.
    git("-c", "core.symlinks=false", "worktree", "add", "--quiet", "--detach", str(TREE), head)
    if patch:
        git("-C", str(TREE), "-c", "core.symlinks=false", "apply", "--whitespace=nowarn",
            str(patch))  # fmt: skip
    for name in job_output.HANDED_OVER:
        place_output(job_output.OUTPUTS / name, TREE / name)
    return patch


def place_output(made: Path, place: Path) -> None:
    """A copy of a file or folder that the change's jobs left; a link in it is refused."""
    found = [made, *made.rglob("*")] if made.is_dir() else [made]
    if links := [path for path in found if path.is_symlink()]:
        raise UserError(f"what the check left has a link: {join_names(links)}")
    if not made.exists():
        return
    remove(place)
    copy(made, place)


def examine_tree(base: str, *more: str, by_base: bool = False) -> Judged:
    """The verdict on the tree, by its own rules or by those that stand here, all of them."""
    kept = {name: read(TREE / name) for name in RULES}
    try:
        if by_base:
            put(TREE / paths.SCHEMA, read(paths.SCHEMA))
            put(TREE / paths.RULES, yaml.safe_dump(gate_rules(None)).encode())
        sandbox.run(["ci", "examine", "--base", base, *more], TREE)
        return Judged(json.loads((TREE / examine.VERDICT).read_bytes()), "")
    except (OSError, ValueError):
        return Judged(None, "the judging process left no verdict")
    except UserError as error:
        return Judged(None, str(error))
    finally:
        for name, content in kept.items():
            put(TREE / name, content)


def read(path: Path) -> bytes | None:
    """What a file holds; None if it is not there."""
    return path.read_bytes() if path.is_file() else None


def put(path: Path, content: bytes | None) -> None:
    """Make that the file, or remove it."""
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(content)


def body(own: Judged, decision: Decision) -> str:
    """The report that the judging process wrote; where there is none, the reasons."""
    found = TREE / examine.REPORT
    if own.verdict and found.is_file():
        return found.read_text("utf-8")
    return report.failure(join_names(decision.reasons))


def not_made(head: str, url: str) -> Found:
    """What is said where the change's jobs left nothing to judge: their own words, if any."""
    why = Decision("refused", ["the job pipeline left nothing to judge"])
    text = NO_REPORT.format(url=url)
    if job_output.REPORT.is_file():
        text = client.body(str(job_output.REPORT))
    if is_foreign(head) and store_needs_login():
        why, text = (
            Decision("refused", [FORK]),
            report.failure(FORK) + text.removeprefix(job_output.MARKER),
        )
    return Found(why, text)


def store_needs_login() -> bool:
    """Whether the store is somewhere else than in this repository."""
    from dvc.config import Config

    found = Config.from_cwd()
    return "://" in str(found["remote"].get(found["core"].get("remote"), {}).get("url", ""))


def write(head: str, found: Found) -> None:
    """The verdict for people and for the job that publishes it."""
    facts = {"head": head, **found.decision._asdict()}
    job_output.write(job_output.JUDGED / "verdict.json", json.dumps(facts).encode())
    job_output.write(job_output.JUDGED / job_output.REPORT.name, found.report.encode())
