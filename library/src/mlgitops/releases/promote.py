"""`make promote`: what staging runs becomes what production runs, as a file."""

from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.releases import release_env
from mlgitops.releases.release_env import PRODUCTION, STAGING, Release


def promote() -> None:
    """Write deploy/production/release.env as staging has it."""
    release = staging_release()
    new, old = release_env.text(release), release_env.file_text(PRODUCTION)
    if old == new:
        state = "" if old == release_env.file_text(PRODUCTION, "HEAD") else ", not committed"
        print(f"nothing to do: {PRODUCTION} has {release_env.describe(new)} already{state}")
        return
    release_env.check_unedited(PRODUCTION)
    if wrong := release_env.text_problems(PRODUCTION, new):
        raise UserError(f"what {STAGING} runs cannot be promoted: {wrong[0]}")
    release_env.write(PRODUCTION, release)
    print(release_env.difference(PRODUCTION, old, new))
    print(release_env.to_commit(PRODUCTION, f"Promote {release.commit[:7]} to {PRODUCTION}"))


def staging_release() -> Release:
    """What staging runs, by main."""
    release_env.check_unedited(STAGING)
    here = release_env.file_text(STAGING)
    if here is not None and here != release_env.file_text(STAGING, repository.mainline()):
        known = release_env.ran(STAGING, here)
        raise UserError(
            f"{release_env.path(STAGING)}: "
            + (
                "main has another release by now: git pull, or merge main"
                if known
                else "its release is not merged to main, so staging never ran it: merge it first"
            )
        )
    release_env.check_sound(STAGING)
    found = release_env.read(STAGING)
    if found is None:
        raise UserError(f"{STAGING} has no release: make release, commit, and merge it to main")
    return found
