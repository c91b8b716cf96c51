"""deploy/<environment>/release.env: what an environment runs, and what may stand there."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlgitops.core.errors import UserError
from mlgitops.core.files import replacing
from mlgitops.git import repository
from mlgitops.images import docker

STAGING, PRODUCTION = ENVIRONMENTS = ("staging", "production")
NAMES = ("IMAGE", "COMMIT", "MODEL", "DATA")
EMPTY = "".join(f"{name}=\n" for name in NAMES)
HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/"
FOLDER = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
FORMS = {
    "IMAGE": (
        rf"(?:{HOST})?{FOLDER}(?:/{FOLDER})*@sha256:[0-9a-f]{{64}}",
        "an image by its digest, as `make push` prints it: host/owner/name@sha256:… A tag can move",
    ),
    "COMMIT": (r"[0-9a-f]{40}(?:[0-9a-f]{24})?", "a commit's whole hash"),
    "MODEL": (r"[0-9a-f]{32}\.dir", "the MD5 of artifacts/model in dvc.lock, which ends in .dir"),
    "DATA": (r"[0-9a-f]{32}(?:\.dir)?", "the MD5 of the raw data in dvc.lock"),
}


@dataclass(frozen=True)
class Release:
    """What an environment runs; a UserError names the first value that is not in form."""

    image: str
    commit: str
    model: str
    data: str

    def __post_init__(self) -> None:
        for name, (form, meaning) in FORMS.items():
            value = getattr(self, name.lower())
            if not re.fullmatch(form, value):
                raise UserError(f"{name}={value[:100]} is not {meaning}")


def text(release: Release | None) -> str:
    """The one form of release.env; with empty values where nothing is released."""
    if release is None:
        return EMPTY
    return "".join(f"{name}={getattr(release, name.lower())}\n" for name in NAMES)


def parse(found: str) -> Release | None:
    """What a release.env says; None if nothing is released, a UserError if it is not in form."""
    if found == EMPTY:
        return None
    *lines, end = found.split("\n")
    if end or [line.partition("=")[0] for line in lines] != list(NAMES):
        raise UserError(f"must be exactly the lines {', '.join(f'{name}=…' for name in NAMES)}")
    return Release(*(line.partition("=")[2] for line in lines))


def path(environment: str) -> Path:
    """The file of an environment; a UserError if there is no such environment."""
    if environment not in ENVIRONMENTS:
        there = " or ".join(ENVIRONMENTS)
        known = (
            f"there is no environment {environment!r}" if environment else "say which environment"
        )
        raise UserError(f"{known}: ENVIRONMENT={there}")
    return Path("deploy", environment, "release.env")


def file_text(environment: str, commit: str | None = None) -> str | None:
    """The file's text in a commit, or as it lies here; None if it is not there."""
    place = path(environment)
    if commit:
        return repository.text(commit, place.as_posix())
    # Bytes, since reading as text would hide the line ends of Windows.
    return place.read_bytes().decode("utf-8", errors="replace") if place.exists() else None


def read(environment: str, commit: str | None = None) -> Release | None:
    """What an environment runs by a commit, or by the file here; None if nothing."""
    found = file_text(environment, commit)
    try:
        return None if found is None else parse(found)
    except UserError as error:
        where = f" of {commit[:7]}" if commit else ""
        raise UserError(f"{path(environment)}{where}: {error}") from None


def write(environment: str, release: Release | None) -> None:
    """Put a release into the file of an environment."""
    with replacing(path(environment)) as part:
        part.write_bytes(text(release).encode())


def release_in_use() -> tuple[str, str] | None:
    """Production and its commit, else staging and its, by main; None before the first release.

    What a branch writes into the files changes nothing: it would choose its own judge.
    """
    if repository.commit("HEAD") is None:
        return None
    main = repository.mainline()
    for environment in (PRODUCTION, STAGING):
        if found := read(environment, main):
            return environment, found.commit
    return None


def champion() -> str | None:
    """The commit that runs; None before the first release."""
    found = release_in_use()
    return found[1] if found else None


def problems() -> list[str]:
    """What is wrong with the file of each environment, a line each."""
    return [
        f"{path(environment)}: {problem}"
        for environment in ENVIRONMENTS
        for problem in text_problems(environment, file_text(environment))
    ]


def text_problems(environment: str, found: str | None) -> list[str]:
    """What is wrong with a text as the file of an environment.

    The name of its image is judged when it comes: what main has had there may be of a registry
    that the project has left.
    """
    if found is None:
        return ["is not there: git restore it"]
    try:
        release = parse(found)
    except UserError as error:
        return [str(error)]
    if release is None:
        return []
    unproven = environment == PRODUCTION and not ran(STAGING, found)
    other = foreign(release.image)
    return [
        *([other] if other and not ran(environment, found) else []),
        *_mismatches(release),
        *(["is not, line for line, what staging has had on main"] if unproven else []),
    ]


def foreign(image: str) -> str:
    """Why an image is none of this project's, and what to do; "" if it is one."""
    name, own = image.partition("@")[0], docker.image_name()
    if name == own:
        return ""
    owner, _, last = name.rpartition("/")
    way = owner and last == own.rpartition("/")[2]
    problem = f"IMAGE is of {name}, and this project's are of {own}"
    return f"{problem}: REGISTRY={owner}, if it was pushed there" if way else problem


def _mismatches(release: Release) -> Iterable[str]:
    """Where a release contradicts the history."""
    short = release.commit[:7]
    if repository.commit(release.commit) != release.commit:
        deeper = ": git fetch --unshallow" if repository.shallow() else ""
        yield f"COMMIT {short} is not in this repository{deeper}"
        return
    if not repository.is_merged(release.commit):
        yield f"COMMIT {short} is not merged to main"
    lock = repository.lock(release.commit)
    for name, known in (("MODEL", lock and lock.model), ("DATA", lock and lock.data)):
        if getattr(release, name.lower()) != known:
            yield f"{name} is not the one in dvc.lock of {short}, which is {known}"


def ran(environment: str, found: str) -> bool:
    """Whether the file of an environment was this text on main, by the line of its merges.

    What a branch had in between, main never ran.
    """
    place = path(environment).as_posix()
    form = ("--format=", "--raw", "--no-abbrev", "--no-renames", "-m", "--first-parent")
    log = repository.git(
        "-c", "log.showRoot=true", "log", *form, repository.mainline(), "--", place
    )
    known = {line.split()[3] for line in (log or "").splitlines() if line.startswith(":")}
    return (repository.git("hash-object", "--stdin", given=found) or "").strip() in known


def check_unedited(environment: str) -> None:
    """Refuse a file that is not as HEAD has it."""
    if file_text(environment) != file_text(environment, "HEAD"):
        place = path(environment)
        raise UserError(
            f"{place} is not as it was committed: commit it, or `git restore --staged --worktree "
            f"{place}`. Only make release, promote and rollback write it"
        )


def check_sound(environment: str) -> None:
    """Refuse a file that contradicts the history."""
    if found := text_problems(environment, file_text(environment)):
        check_unedited(environment)
        raise UserError(
            f"{path(environment)}: {found[0]}.\nSomebody edited it by hand: "
            f"make rollback ENVIRONMENT={environment}, or git revert, brings the last good one back"
        )


def describe(found: str | None) -> str:
    """The text of a release.env for people: the commit that it releases, and its subject."""
    try:
        release = parse(found or EMPTY)
    except UserError:
        return "a file that is not in form"
    if release is None:
        return "nothing"
    subject = (repository.git("log", "-1", "--format=%s", release.commit) or "").strip()
    return f"{release.commit[:7]} {subject}".strip()


def difference(environment: str, old: str | None, new: str) -> str:
    """What changes in an environment, as lines taken away and added."""
    before, after = (old or "").splitlines(), new.splitlines()
    lines = [f"  - {line}" for line in before if line not in after]
    lines += [f"  + {line}" for line in after if line not in before]
    return "\n".join([f"{environment}: {describe(old)} -> {describe(new)}", *lines])


def to_commit(environment: str, subject: str) -> str:
    """What is to be done after the file was written."""
    place = path(environment).as_posix()
    return f'now commit it, and merge it to main:\n  git commit --message "{subject}" {place}'
