"""`make release`: an image of a commit of main becomes what staging runs, as a file."""

from collections.abc import Mapping
from typing import Annotated

import typer

from mlgitops.core import job_output
from mlgitops.core.errors import UserError, join_names
from mlgitops.git import repository
from mlgitops.images import build, docker
from mlgitops.images.push import NOTE
from mlgitops.releases import release_env
from mlgitops.releases.release_env import STAGING, Release

OUTSIDE = (".", ":(exclude)deploy/")  # what an image is built from
# What release.yml makes no image for.
IGNORED = ("deploy/**", "docs/**", "**.md")


def release(
    image: Annotated[str, typer.Option(help="Its digest; empty: what was pushed last.")] = "",
    commit: Annotated[str, typer.Option(help="What it was built from; empty: HEAD.")] = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not check what the image was built from.")
    ] = False,
) -> None:
    """Write deploy/staging/release.env for a commit of main and an image that was built from it."""
    new = proposal(image or last_image(offline), commit)
    release_env.check_sound(STAGING)
    check_forward(new)
    done = newer_commit_hint(new) or already(new)
    job_output.tell(changed=not done)
    if done:
        print(done)
        return
    release_env.check_unedited(STAGING)
    if offline:
        print("the image's labels were not checked: nothing proves what it was built from")
    else:
        check_labels(new)
    old = release_env.file_text(STAGING)
    release_env.write(STAGING, new)
    print(release_env.difference(STAGING, old, release_env.text(new)))
    print(release_env.to_commit(STAGING, f"Release {new.commit[:7]} to {STAGING}"))


def last_image(offline: bool) -> str:
    """The image that `make push` pushed last."""
    if offline:
        raise UserError("OFFLINE=1 reads no image, so say which: IMAGE=host/owner/name@sha256:…")
    try:
        name, _, image = NOTE.read_text(encoding="utf-8").strip().partition("=")
    except OSError:
        name, image = "", ""
    if name != "IMAGE":
        raise UserError(f"{NOTE} names no image: make push, or IMAGE=host/owner/name@sha256:…")
    return image


def proposal(image: str, name: str) -> Release:
    """The commit of a name, or HEAD, as a release, if it can be one."""
    commit = repository.commit(name) if name else repository.head()
    if commit is None:
        raise UserError(f"COMMIT={name[:100]} is no commit of this repository: git fetch")
    lock = repository.lock(commit)
    if lock is None or lock.model is None or lock.data is None:
        raise UserError(
            f"dvc.lock of {commit[:7]} has no hash of the model and of the data: make pipeline, "
            "then commit"
        )
    new = Release(image, commit, lock.model, lock.data)
    if other := release_env.foreign(image):
        raise UserError(other)
    check_clean()
    if not repository.is_merged(commit):
        raise UserError(
            f"{commit[:7]} is not merged to main: merge it, and release the commit of main "
            "(git switch main && git pull)"
        )
    return new


def check_clean() -> None:
    """Refuse changes that are not committed; what was released is no part of an image."""
    if changed := repository.changes(*OUTSIDE):
        raise UserError(
            f"not committed: {join_names(changed)}.\nCommit or git stash, then build again"
        )


def check_forward(new: Release) -> None:
    """Refuse what is older than what staging runs, by main."""
    runs = release_env.read(STAGING, repository.mainline())
    if runs and runs.commit != new.commit and repository.within(new.commit, runs.commit):
        raise UserError(
            f"{STAGING} already has a newer one, {release_env.describe(release_env.text(runs))}.\n"
            f"To go back from it: make rollback ENVIRONMENT={STAGING}, or git revert"
        )


def newer_commit_hint(new: Release) -> str | None:
    """What to say where main has a newer commit that gets an image of its own; None if not."""
    span = f"{new.commit}..{repository.mainline()}"
    paths = (".", *(f":(exclude){pattern}" for pattern in IGNORED))
    log = repository.git("log", "--first-parent", "-1", "--format=%h %s", span, "--", *paths)
    return f"nothing to do: a newer release follows, of {log.strip()}" if log else None


def already(new: Release) -> str | None:
    """What to say where there is nothing to do; None if there is."""
    old = release_env.read(STAGING)
    if old is None or old.image != new.image:
        return None
    # Releases are committed after the image was built, so HEAD may be a commit that made one.
    same = repository.git("diff", "--quiet", old.commit, new.commit, "--", *OUTSIDE) is not None
    if not same:
        return None
    text = release_env.text(old)
    state = "" if text == release_env.file_text(STAGING, "HEAD") else ", not committed"
    return f"nothing to do: {STAGING} has {release_env.describe(text)} with this image{state}"


def check_labels(new: Release) -> None:
    """Refuse an image that says that it was built from something else."""
    if wrong := label_problems(labels(new.image), new):
        raise UserError(f"{wrong[0]}.\nIt was built from something else: make image && make push")


def label_problems(found: Mapping[str, str], new: Release) -> list[str]:
    """Where the labels of an image are not those of a release."""
    wanted = {build.REVISION: new.commit, build.MODEL: new.model, build.DATA: new.data}
    return [
        f"the image's label {name} is {found.get(name) or 'missing'}, that of "
        f"{new.commit[:7]} is {value}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]


def labels(image: str) -> dict[str, str]:
    """The labels of an image, which is pulled if it is not here."""
    try:
        docker.require()
    except UserError as error:
        raise UserError(
            f"{error}.\nOFFLINE=1 trusts that the image was built from it, without checking"
        ) from None
    if not docker.docker("image", "ls", "--quiet", "--no-trunc", image):
        docker.docker("pull", "--quiet", image)
    return docker.labels(image)
