"""`make reproduce`: is dvc.lock what this commit makes? If not, it is made, or refused.

The lock file of the base is trusted: it was checked before it was merged. What this commit
claims beyond it is made again from there, and compared.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer
import yaml

from mlgitops.ci.stages import check_stages
from mlgitops.core import job_output
from mlgitops.core.errors import UserError, join_names
from mlgitops.core.files import replacing
from mlgitops.core.paths import MADE, is_made
from mlgitops.evaluation import gate
from mlgitops.evaluation.subject import Subject
from mlgitops.git import lockfile, repository
from mlgitops.git.patch import difference
from mlgitops.github import push_outputs
from mlgitops.reporting import card, report
from mlgitops.stores import transfer
from mlgitops.stores.transfer import dvc

LOCK = Path(repository.LOCK)
STORE = "store/"
Outcome = Literal["current", "verified", "made"]
SAYS = {
    "current": "dvc.lock is current: no input changed, so nothing ran",
    "verified": "dvc.lock is current: running it again gave the same hashes",
    "made": "dvc.lock was out of date and has been made again",
}
FAILED = (
    "a stage failed; the reason is above. Nothing was saved: "
    "`git checkout HEAD . && dvc checkout` restores what was here"
)
WAY_OUT = (
    "It was edited by hand, or made on another kind of machine. To fix it: "
    "`git checkout origin/main -- dvc.lock artifacts`, commit, push: the check makes it again"
)
PUSH = "`dvc push` on the machine that has it; if the store is the folder store/, commit that too"
NOT_STORED = (
    "the store lacks outputs of this commit and cannot be written from here; the reason is above. "
    "There is nothing to commit. On a machine with a login to the store: `make reproduce`, commit "
    "what changed, push"
)
CHANGED = (
    "What the pipeline makes (dvc.lock, artifacts, the model card) is out of date in this commit; "
    "the figures here are those of the new outputs. The check commits it to a branch of this "
    "repository. In a fork do it yourself: `make reproduce`, then `git add --all && git commit`; "
    "or `git apply changes.patch`, from the run's artifact `result`."
)
BRANCH = "Nothing is trained there: `make pipeline` on a branch, or let its pull request do it"
AGAIN = "Nothing is trained there: the check of any pull request makes it again"


def status() -> dict[str, Any]:
    """By stage, what is not as dvc.lock says: {stage: [{"changed deps": {path: how}}, ...]}."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            found: dict[str, Any] = repo.status()
    except DvcException as error:
        raise UserError(f"dvc.yaml or dvc.lock cannot be read: {error}") from error
    return found


def description(changed: dict[str, Any]) -> str:
    """What `status` found, for people: names of stages, each with the paths."""
    return join_names(
        f"{name} ({join_names(parts) or 'command'})"
        for name, entries in changed.items()
        for parts in [paths(entries, "deps") | paths(entries, "outs")]
    )


def paths(entries: list[Any], kind: str) -> dict[str, Any]:
    """Paths that changed and how, of one kind (deps, outs), in one stage's status."""
    found: dict[str, Any] = {}
    for entry in entries:
        if isinstance(entry, dict):
            found |= entry.get(f"changed {kind}", {})
    return found


def edits(changed: dict[str, Any]) -> list[str]:
    """Outputs that are not what dvc.lock says, where no input says why."""
    if any(paths(entries, "deps") or "changed command" in entries for entries in changed.values()):
        return []
    return [
        path
        for entries in changed.values()
        for path, how in paths(entries, "outs").items()
        if how == "modified"
    ]


def absent_outputs(changed: dict[str, Any]) -> list[str]:
    """Outputs that are nowhere, where dvc.lock says nothing else than what is here."""
    outs = {
        path: how for entries in changed.values() for path, how in paths(entries, "outs").items()
    }
    deps = {path for entries in changed.values() for path in paths(entries, "deps")}
    other = any("changed command" in entries for entries in changed.values())
    return [] if other or deps - set(outs) or "modified" in outs.values() else list(outs)


def stages(lock: str | None) -> lockfile.Stages:
    """The stages of a dvc.lock's text."""
    return repository.parse_lock(lock or "").stages


def lock_text() -> str | None:
    """The text of dvc.lock as it is in the working tree; None if it is not there."""
    return LOCK.read_text(encoding="utf-8") if LOCK.exists() else None


def readable(lock: str | None) -> bool:
    """Whether DVC takes it for a lock file: one with the marks of a conflict in it is none."""
    from dvc.dvcfile import Lockfile
    from dvc.exceptions import DvcException

    try:
        return lock is None or bool(Lockfile.validate(yaml.load(lock, yaml.CSafeLoader)))
    except (yaml.YAMLError, ValueError, RecursionError, DvcException):
        return False


def put(lock: str | None) -> None:
    """Make a text the dvc.lock."""
    if lock is None:
        LOCK.unlink(missing_ok=True)
        return
    with replacing(LOCK) as part:
        part.write_text(lock, encoding="utf-8", newline="\n")


@contextmanager
def restore_lock_on_failure(lock: str | None) -> Iterator[None]:
    """If the block fails, dvc.lock is as it was before it."""
    try:
        yield
    except BaseException:
        put(lock)
        raise


def paths_in_conflict() -> list[str]:
    """Paths in conflict."""
    found = repository.git("diff", "--name-only", "--diff-filter=U", "-z") or ""
    return [path for path in found.split("\0") if path]


def settle(conflicts: list[str]) -> None:
    """Take one side of what is made, as it is made again; a person settles the rest."""
    if others := [path for path in conflicts if not is_made(path)]:
        raise UserError(f"resolve these first, then `git add` them: {join_names(others)}")
    for path in conflicts:
        if repository.git("checkout", "--ours", "--", path) is None:
            repository.git("checkout", "--theirs", "--", path)


def by_merge() -> bool:
    """Whether a merge wrote the dvc.lock of HEAD, which may have mixed two of them."""
    found = repository.git("rev-list", "-1", "--parents", "HEAD", "--", repository.LOCK) or ""
    return len(found.split()) > 2


def fetch() -> None:
    """The objects of dvc.lock that the store has."""
    transfer.check()
    if not dvc("pull", "--quiet", "--allow-missing"):
        raise UserError("the store cannot be read; the reason is above")


def push() -> bool:
    """Whether the store has taken all that this commit's files name; it is said why not."""
    try:
        stored = dvc("push", "--quiet")
        if stored:
            transfer.complete()
    except UserError as error:
        print(error, file=sys.stderr)
        return False
    return stored


def unmakeable(changed: dict[str, Any]) -> list[str]:
    """Data that no stage writes and that the store lacks."""
    return [
        path
        for name, entries in changed.items()
        if name.endswith(".dvc")
        for path, how in paths(entries, "outs").items()
        if how != "modified"
    ]


def refuse_edits(changed: dict[str, Any]) -> None:
    """Refuse what no run can have written, before anything runs."""
    if found := lockfile.inconsistent(stages(lock_text())):
        raise UserError(f"dvc.lock contradicts itself: {join_names(found)}. {WAY_OUT}")
    if names := edits(changed):
        raise UserError(
            f"not what dvc.lock says, and no input changed: {join_names(names)}. {WAY_OUT}"
        )


def refuse_training(base: str, changed: dict[str, Any]) -> None:
    """Refuse to run anything on the branch that others go to."""
    if names := absent_outputs(changed):
        raise UserError(
            f"dvc.lock of {base} is current, but the store lacks {join_names(names)}. {AGAIN}"
        )
    raise UserError(f"dvc.lock of {base} is out of date: {description(changed)}. {BRANCH}")


def refuse_objects(start: str | None) -> None:
    """Refuse objects of a store in Git that were changed, or that are not what their name says."""
    changes = push_outputs.differences(start, "HEAD") if start else []
    if found := list(push_outputs.refusals([one for one in changes if one.path.startswith(STORE)])):
        raise UserError(
            f"objects are only added to the store: {join_names(found)}. "
            f"To fix it: `git checkout {str(start)[:7]} -- {STORE}`, delete objects whose name is "
            "not the hash of their content, then `dvc push`"
        )


def remake(there: str | None, claims: bool) -> Outcome:
    """Make again, from the base's lock file, what this commit's says; refuse another claim."""
    before = lock_text()
    with restore_lock_on_failure(before):
        put(there)
        # DVC would take what it remembers of an earlier run, and anybody may have written that.
        if not dvc("repro", "--no-run-cache"):
            raise UserError(FAILED)
        now = stages(lock_text())
        if found := lockfile.contradictions(stages(before) if claims else {}, now):
            raise UserError(f"{join_names(found)}. {WAY_OUT}")
    if before is None or now != stages(before):
        return "made"
    put(before)
    return "verified"


class Claim(NamedTuple):
    """The lock file that is trusted, and whether this commit's claims something beyond it.

    `start` is the commit of the trusted one; None where there is no base.
    """

    start: str | None
    trusted: str | None
    claims: bool


def outcome(base: str) -> Outcome:
    """Bring dvc.lock up to date, or find that it is, or refuse it."""
    conflicts = paths_in_conflict()
    settle(conflicts)
    check_stages()
    claim = read_claim(base, merged=bool(conflicts) or by_merge())
    fetch()
    changed = status()
    if missing := unmakeable(changed):
        raise UserError(f"not in the store, and no stage makes it: {join_names(missing)}. {PUSH}")
    if claim.claims and lock_text() == claim.trusted:
        if not changed:
            return "current"
        if claim.start == repository.commit("HEAD"):
            refuse_training(base, changed)
    if claim.claims:
        refuse_edits(changed)
    found = remake(claim.trusted, claim.claims)
    if conflicts:
        repository.git("add", "--all", "--", *conflicts)
    return found


def read_claim(base: str, merged: bool) -> Claim:
    """The base's lock file, which takes the place of one here that is none.

    Two lock files that a merge mixed claim nothing: both are made again.
    """
    start = repository.fork(base)
    refuse_objects(start)
    trusted = repository.text(start, repository.LOCK) if start else lock_text()
    trusted = trusted if readable(trusted) else None
    whole = readable(lock_text())
    if not whole:
        put(trusted)
    return Claim(start, trusted, whole and not merged)


def write_result(base: str, found: Outcome, *more: str, hand_over: bool = False) -> bool:
    """Write the result: changes (in more paths too), verdict, report. Whether the gate passes.

    `hand_over`: for a job that judges, also what the verdict rests on. A UserError, and no verdict,
    where the store has not all that the lock file names, and takes it not.
    """
    judgement = gate.judge_tree()
    if found == "made" or any(path.exists() for path in card.DOCUMENTS):
        # Where nothing could be gathered, this says why.
        subject = judgement.subject or Subject.gather()
        card.write_documents(card.facts(subject, judgement.verdict))
    text = report.page(report.facts(base, judgement))
    # Where all is already there, a store that may only be read is enough: nothing is sent.
    if found != "current" and not push():
        text = report.failure(NOT_STORED) + text.removeprefix(job_output.MARKER)
        job_output.write(job_output.REPORT, text.encode())
        raise UserError(NOT_STORED)
    job_output.keep_verdict(gate.GATE)
    if hand_over:
        job_output.keep_outputs()
    if keep_changes(*more):
        text += f"\n{CHANGED}\n"
    job_output.write(job_output.REPORT, text.encode())
    return judgement.verdict.passed


def keep_changes(*more: str) -> bool:
    """Leave what is made, and more paths, as a patch to HEAD; whether anything differs."""
    patch = difference([*MADE, *more])
    if patch:
        job_output.write(job_output.PATCH, patch)
    return bool(patch)


@contextmanager
def report_failure() -> Iterator[None]:
    """If the block fails before its report, the report says why, and nothing else is in result/."""
    try:
        yield
    except Exception as error:
        if not job_output.REPORT.exists():
            job_output.start()
            job_output.write(job_output.REPORT, report.failure(reason(error)).encode())
        raise


def reason(error: Exception) -> str:
    """A mistake in its own words; of anything else its kind and its first line."""
    if isinstance(error, UserError):
        return str(error)
    first = str(error).partition("\n")[0][:300]
    return f"{type(error).__name__}: {first}. This is unexpected: see the run's log"


def reproduce(
    base: Annotated[str, typer.Option(envvar="BASE", help="The branch to merge into.")] = "main",
    hand_over: Annotated[
        bool, typer.Option(envvar="HAND_OVER", help="Also copy data and model, for the judge.")
    ] = True,
) -> None:
    """Make dvc.lock current, or refuse it; leave the changes and the verdict in result/."""
    job_output.start()
    with report_failure():
        found = outcome(base)
        passed = write_result(base, found, hand_over=hand_over)
    print(f"{SAYS[found]}; the gate {'passes' if passed else 'refuses'}: {job_output.REPORT}")
