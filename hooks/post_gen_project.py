"""Keep the folder of the chosen answer, complete vendor/, write .mlgitops.yaml; say the next."""

import configparser
import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

ANSWERS = json.loads(r"""{{ cookiecutter | jsonify }}""")
QUESTIONS = (
    "project_name", "project_slug", "description", "github_owner", "registry", "gitops",
    "artifact_store", "tracker",
)  # fmt: skip
VENDOR = Path("vendor/mlgitops")
MANIFEST = "MANIFEST"
# What Git calls a remote: a URL, or user@host:path. A path of this machine is none.
URL = re.compile(r"(https?|ssh|git)://(?:([^/]*)@)?([^?#]+)")
SCP = re.compile(r"[\w.-]+@[\w.-]+:[^?#]+")


def template():
    """The folder of the template; nothing where it cannot be told.

    The answer is as it was typed, and a hook runs elsewhere: where a shell was, or below.
    """
    typed = Path(ANSWERS["_repo_dir"])
    starts = [os.environ.get("PWD", "."), *map(str, Path.cwd().parents)]
    places = {Path(start, typed).resolve() for start in starts if is_template(Path(start, typed))}
    return places.pop() if len(places) == 1 else None


def is_template(folder):
    """Whether a folder is this template."""
    return (folder / "library" / MANIFEST).is_file()


def complete(source):
    """The library as it was released, whatever a copy of the link has brought.

    In a zip, and where Git makes no symbolic links, the link is a small text file, or an empty
    folder.
    """
    if not (VENDOR / MANIFEST).is_file():
        if source is None:
            sys.exit(f"{ANSWERS['_repo_dir']}: the library is not found there: give its whole path")
        if VENDOR.is_file():
            VENDOR.unlink()
        shutil.copytree(source / "library", VENDOR, dirs_exist_ok=True)
    manifest = (VENDOR / MANIFEST).read_text(encoding="utf-8")
    kept = {line.partition("  ")[2] for line in manifest.splitlines()} | {MANIFEST}
    for path in sorted(VENDOR.rglob("*"), reverse=True):
        if path.is_file() or path.is_symlink():
            if path.relative_to(VENDOR).as_posix() not in kept:
                path.unlink()
        elif not any(path.iterdir()):
            path.rmdir()
    return hashlib.sha256((VENDOR / MANIFEST).read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def git_folder(source):
    """The folder in which Git keeps a checkout's state, and the one of the whole repository."""
    here = source / ".git"
    if here.is_file():  # a worktree
        here = source / here.read_text(encoding="utf-8").partition(": ")[2].strip()
    common = here / "commondir"
    return here, here / common.read_text(encoding="utf-8").strip() if common.is_file() else here


def commit(source):
    """The commit of the template; nothing where it is no clone."""
    here, whole = git_folder(source)
    try:
        head = (here / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (whole / name).is_file():
            return (whole / name).read_text(encoding="utf-8").strip()
        packed = (whole / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
    except OSError:
        return ""


def origin(source):
    """What a clone was cloned from; nothing where it is no clone."""
    config = configparser.ConfigParser(
        allow_no_value=True, delimiters="=", interpolation=None, strict=False
    )
    try:
        text = (git_folder(source)[1] / "config").read_text(encoding="utf-8")
        config.read_string("\n".join(line.strip() for line in text.splitlines()))
    except (OSError, configparser.Error):
        return ""
    return config.get('remote "origin"', "url", fallback="").strip('"')


def address(source):
    """The URL of the template without a password; nothing where it is a path of this machine."""
    url = (origin(source) if source else "") or str(ANSWERS["_template"])
    if match := URL.match(url):
        scheme, login, place = match.groups()
        user = f"{login.partition(':')[0]}@" if login and scheme == "ssh" else ""
        return f"{scheme}://{user}{place}"
    return url if SCP.fullmatch(url) else ""


def version():
    """The version of the library."""
    text = (VENDOR / "pyproject.toml").read_text(encoding="utf-8")
    return re.search(r'^version = "(.+)"$', text, re.M)[1]


def remember(source, digest):
    """The answers, and what the project was made from. JSON is YAML."""
    made = {
        "template": address(source),
        "commit": commit(source) if source else "",
        "version": version(),
        "vendor": digest,
    }
    lines = ["# What this project was made from; `make check` compares vendor/ with its digest.\n"]
    lines += [f"{name}: {json.dumps(value)}\n" for name, value in made.items()]
    lines += ["answers:\n"]
    lines += [f"  {name}: {json.dumps(ANSWERS[name], ensure_ascii=False)}\n" for name in QUESTIONS]
    Path(".mlgitops.yaml").write_text("".join(lines), encoding="utf-8", newline="\n")


for name in {"argocd", "flux"} - {ANSWERS["gitops"]}:
    shutil.rmtree(f"deploy/{name}")
there = template()
remember(there, complete(there))

print(
    f"""
Next:
  cd {Path(os.environ.get("BAKE_FOLDER", ""), ANSWERS["project_slug"])}
  make setup
  git add --all && git commit --message "Start"
"""
)
