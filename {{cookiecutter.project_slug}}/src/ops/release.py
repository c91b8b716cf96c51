"""`make release`: an image of a commit of main becomes what staging runs, as a file."""

from typing import Annotated

import typer

from ml.errors import Mistake, listed
from ops import engine, environments, history, result
from ops.environments import STAGING, Release
from ops.push import NOTE

# The labels of the Dockerfile that tell what an image was built from.
REVISION, MODEL, DATA = "org.opencontainers.image.revision", "ml.model", "ml.data"
OUTSIDE = (".", ":(exclude)deploy/")  # what an image is built from
# What release.yml makes no image for.
IGNORED = ("deploy/**", "docs/**", "**.md")


def release(
    image: Annotated[str, typer.Option(help="Its digest; empty: what was pushed last.")] = "",
    commit: Annotated[str, typer.Option(help="What it was built from; empty: HEAD.")] = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the image what it was built from.")
    ] = False,
) -> None:
    """Write deploy/staging/release.env for a commit of main and an image that was built from it."""
    new = proposed(image or pushed(offline), commit)
    environments.check_sound(STAGING)
    check_forward(new)
    done = overtaken(new) or already(new)
    result.tell(changed=not done)
    if done:
        print(done)
        return
    environments.check_unedited(STAGING)
    if offline:
        print("the image's labels were not looked at: nothing proves what it was built from")
    else:
        check_labels(new)
    old = environments.stored(STAGING)
    environments.write(STAGING, new)
    print(environments.difference(STAGING, old, environments.text(new)))
    print(environments.to_commit(STAGING, f"Release {new.commit[:7]} to {STAGING}"))


def pushed(offline: bool) -> str:
    """The image that `make push` pushed last."""
    if offline:
        raise Mistake("OFFLINE=1 looks at no image, so say which: IMAGE=host/owner/name@sha256:…")
    try:
        name, _, image = NOTE.read_text(encoding="utf-8").strip().partition("=")
    except OSError:
        name, image = "", ""
    if name != "IMAGE":
        raise Mistake(f"{NOTE} names no image: make push, or IMAGE=host/owner/name@sha256:…")
    return image


def proposed(image: str, name: str) -> Release:
    """The commit of a name, or HEAD, as a release, if it can be one."""
    commit = history.commit(name) if name else history.head()
    if commit is None:
        raise Mistake(f"COMMIT={name[:100]} is no commit of this repository: git fetch")
    lock = history.lock(commit)
    if lock is None or lock.model is None or lock.data is None:
        raise Mistake(
            f"dvc.lock of {commit[:7]} has no hash of the model and of the data: make pipeline, "
            "then commit"
        )
    new = Release(image, commit, lock.model, lock.data)
    if other := environments.foreign(image):
        raise Mistake(other)
    check_clean()
    if not history.merged(commit):
        raise Mistake(
            f"{commit[:7]} is not merged to main: merge it, and release the commit of main "
            "(git switch main && git pull)"
        )
    return new


def check_clean() -> None:
    """Refuse changes that are not committed; what was released is no part of an image."""
    status = history.git("status", "--porcelain", "-z", "--no-renames", "--", *OUTSIDE) or ""
    if changed := [entry[3:] for entry in status.split("\0") if entry]:
        raise Mistake(f"not committed: {listed(changed)}.\nCommit or git stash, then build again")


def check_forward(new: Release) -> None:
    """Refuse what is older than what staging runs, by main."""
    runs = environments.read(STAGING, history.mainline())
    if runs and runs.commit != new.commit and history.within(new.commit, runs.commit):
        raise Mistake(
            f"{STAGING} already has a newer one, {environments.named(environments.text(runs))}.\n"
            f"To go back from it: make rollback ENVIRONMENT={STAGING}, or git revert"
        )


def overtaken(new: Release) -> str | None:
    """What to say where main has a newer commit that gets an image of its own; None if not."""
    span = f"{new.commit}..{history.mainline()}"
    paths = (".", *(f":(exclude){pattern}" for pattern in IGNORED))
    log = history.git("log", "--first-parent", "-1", "--format=%h %s", span, "--", *paths)
    return f"nothing to do: a newer release follows, of {log.strip()}" if log else None


def already(new: Release) -> str | None:
    """What to say where there is nothing to do; None if there is."""
    old = environments.read(STAGING)
    if old is None or old.image != new.image:
        return None
    # Releases are committed after the image was built, so HEAD may be a commit that made one.
    same = history.git("diff", "--quiet", old.commit, new.commit, "--", *OUTSIDE) is not None
    if not same:
        return None
    text = environments.text(old)
    state = "" if text == environments.stored(STAGING, "HEAD") else ", not committed"
    return f"nothing to do: {STAGING} has {environments.named(text)} with this image{state}"


def check_labels(new: Release) -> None:
    """Refuse an image that says that it was built from something else."""
    found = labels(new.image)
    for name, value in ((REVISION, new.commit), (MODEL, new.model), (DATA, new.data)):
        if found.get(name) != value:
            raise Mistake(
                f"the image's label {name} is {found.get(name) or 'missing'}, that of "
                f"{new.commit[:7]} is {value}.\n"
                "It was built from something else: make image && make push"
            )


def labels(image: str) -> dict[str, str]:
    """The labels of an image, which is pulled if it is not here."""
    try:
        engine.required()
    except Mistake as mistake:
        raise Mistake(
            f"{mistake}.\nOFFLINE=1 trusts that the image was built from it, without asking"
        ) from None
    if not engine.docker("image", "ls", "--quiet", "--no-trunc", image):
        engine.docker("pull", "--quiet", image)
    return engine.labels(image)
