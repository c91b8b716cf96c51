"""`make promote`: what staging runs becomes what production runs, as a file."""

from ml.errors import Mistake
from ops import environments, history
from ops.environments import PRODUCTION, STAGING, Release


def promote() -> None:
    """Write deploy/production/release.env as staging has it."""
    release = proven()
    new, old = environments.text(release), environments.stored(PRODUCTION)
    if old == new:
        state = "" if old == environments.stored(PRODUCTION, "HEAD") else ", not committed"
        print(f"nothing to do: {PRODUCTION} has {environments.named(new)} already{state}")
        return
    environments.check_unedited(PRODUCTION)
    if wrong := environments.broken(PRODUCTION, new):
        raise Mistake(f"what {STAGING} runs cannot be promoted: {wrong[0]}")
    environments.write(PRODUCTION, release)
    print(environments.difference(PRODUCTION, old, new))
    print(environments.to_commit(PRODUCTION, f"Promote {release.commit[:7]} to {PRODUCTION}"))


def proven() -> Release:
    """What staging runs, by main."""
    environments.check_unedited(STAGING)
    here = environments.stored(STAGING)
    if here is not None and here != environments.stored(STAGING, history.mainline()):
        known = environments.ran(STAGING, here)
        raise Mistake(
            f"{environments.path(STAGING)}: "
            + (
                "main has another release by now: git pull, or merge main"
                if known
                else "its release is not merged to main, so staging never ran it: merge it first"
            )
        )
    environments.check_sound(STAGING)
    found = environments.read(STAGING)
    if found is None:
        raise Mistake(f"{STAGING} has no release: make release, commit, and merge it to main")
    return found
