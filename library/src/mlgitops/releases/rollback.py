"""`make rollback`: an environment goes back to what it ran before, as a file.

What runs now came with some commit; the rollback is what `git revert` of that commit gives.
It never leads to a release that was rolled back: going back to one takes away all that came after.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple

import typer

from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.releases import release_env


class State(NamedTuple):
    """A text of the file, and the commit that brought it, with the number of its parents."""

    commit: str
    parents: int
    text: str


def rollback(
    environment: Annotated[str, typer.Option(help="staging or production")] = "",
) -> None:
    """Write the release.env of an environment as it was before what runs now came."""
    release_env.check_unedited(environment)
    check_newest(environment)
    now = release_env.file_text(environment) or release_env.EMPTY
    if now == release_env.EMPTY:
        raise UserError(f"nothing runs in {environment}: there is nothing to roll back")
    *below, top = live_states(past(environment))
    before = previous(environment, top, below)
    release_env.write(environment, before)
    print(plan_text(environment, now, release_env.text(before)))
    print(f"or by Git alone: git restore {place(environment)}, then {revert_command(top)}")
    print(further(environment, below))


def plan_text(environment: str, now: str, before: str) -> str:
    """What runs, what will run, and what to do for it."""
    back = release_env.describe(before)
    return "\n".join(
        [
            f"{environment} runs now:   {release_env.describe(now)}",
            f"{environment} will run:   {back}",
            release_env.difference(environment, now, before),
            release_env.to_commit(environment, f"Roll {environment} back to {back.split()[0]}"),
        ]
    )


def place(environment: str) -> str:
    """The file of an environment, as Git names it."""
    return release_env.path(environment).as_posix()


def check_newest(environment: str) -> None:
    """Refuse to go back from a release that main has replaced."""
    newer = ("log", "-1", "--format=%H", f"HEAD..{repository.mainline()}")
    if repository.shallow():
        raise UserError("this clone lacks older commits: git fetch --unshallow")
    if repository.git(*newer, "--", place(environment)):
        raise UserError(
            f"main has another release in {environment} by now: git pull, or merge main"
        )


def past(environment: str) -> list[State]:
    """What the file was at the commits of this line that changed it, oldest first."""
    form = ("--first-parent", "--reverse", "--format=%H %P")
    lines = (repository.git("log", *form, "HEAD", "--", place(environment)) or "").splitlines()
    return [
        State(commit, len(parents), release_env.file_text(environment, commit) or release_env.EMPTY)
        for commit, *parents in map(str.split, lines)
    ]


def live_states(states: Iterable[State]) -> list[State]:
    """What was not taken back, oldest first: a text that is there takes back what came after it."""
    found: list[State] = []
    for state in states:
        texts = [one.text for one in found]
        if state.text in texts:
            del found[texts.index(state.text) + 1 :]
        else:
            found.append(state)
    return found


def last(states: Sequence[State]) -> str:
    """The text of the newest; an empty one where there is none."""
    return states[-1].text if states else release_env.EMPTY


def previous(environment: str, top: State, below: Sequence[State]) -> release_env.Release:
    """What ran before; a UserError if nothing did, or if it must not run again."""
    text = last(below)
    if text == release_env.EMPTY:
        raise UserError(
            f"before {top.commit[:7]} nothing ran in {environment}, so there is nothing "
            f"to go back to.\nTo let nothing run again: {revert_command(top)}"
        )
    if found := release_env.text_problems(environment, text):
        raise UserError(
            f"what ran before in {environment} cannot be released: {found[0]}.\n"
            f"git log -p {place(environment)} shows what else ran"
        )
    before = release_env.parse(text)
    assert before is not None
    return before


def revert_command(state: State) -> str:
    """The command of Git that undoes the commit which brought a release."""
    return f"git revert {'-m 1 ' if state.parents > 1 else ''}{state.commit[:10]}"


def further(environment: str, below: Sequence[State]) -> str:
    """What a second rollback would lead to."""
    again = f"make rollback ENVIRONMENT={environment} again, once this is committed"
    text = last(below[:-1])
    if text == release_env.EMPTY:
        return f"{again}, is refused: before it nothing ran"
    return f"{again}, goes further back: to {release_env.describe(text)}"
