"""`make register`: the tracker's models get the aliases that deploy/ on main gives them."""

from mlgitops.core.errors import UserError
from mlgitops.git import lineage, repository
from mlgitops.releases import release_env
from mlgitops.releases.release_env import Release
from mlgitops.tracking.base import Tracker
from mlgitops.tracking.track import choose, log_commits


def register() -> None:
    """Make the aliases `staging` and `production` equal to what main releases."""
    if repository.shallow():
        raise UserError("this clone lacks older commits: git fetch --unshallow")
    main = repository.mainline()
    releases = {name: release_env.read(name, main) for name in release_env.ENVIRONMENTS}
    tracker = choose()
    if tracker is None:
        return
    with tracker.alone():
        for environment, release in releases.items():
            print(f"{environment}: {set_alias(tracker, environment, release)}")


def set_alias(tracker: Tracker, environment: str, release: Release | None) -> str:
    """Set the alias of an environment, or remove it; what was done."""
    version = version_number(tracker, release) if release else None
    changed = "" if tracker.alias(environment, version) else ", as before"
    if version is None:
        return f"nothing is released{changed or ', and no version has the alias'}"
    return f"version {version}, {release_env.describe(release_env.text(release))}{changed}"


def version_number(tracker: Tracker, release: Release) -> str:
    """The version of a release's model, which is tracked first if it is not there."""
    short = release.commit[:7]
    trained = repository.commit(release.commit) and lineage.origin(release.commit)
    if not trained:
        raise UserError(f"COMMIT {short} is not in this repository, or trained nothing")
    if found := tracker.version(trained):
        return found
    wanted = [one for one in repository.training_commits(trained) if one.sha == trained]
    print(f"{short} was not tracked: {log_commits(tracker, wanted)}")
    if found := tracker.version(trained):
        return found
    raise UserError(
        f"the model of {short} is not in the tracker, and gone from the store: it has no version"
    )
