"""Keep the folder of the chosen answer, complete vendor/, write .mlgitops.yaml; say what is next."""

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
)  # fmt: skip
VENDOR = Path("vendor/mlgitops")
MANIFEST = "MANIFEST"
# What Git calls a remote: a URL, or user@host:path. A path of this machine is none.
URL = re.compile(r"(https?|ssh|git)://|[\w.-]+@[\w.-]+:")


def template():
    """The folder of the template, or the folders where it may be.

    The answer is as it was typed, and a hook runs elsewhere.
    """
    typed = Path(ANSWERS["_repo_dir"])
    starts = [os.environ.get("PWD", "."), *map(str, Path.cwd().parents)]
    return next((one for one in (Path(start, typed) for start in starts) if found(one)), None)


def found(folder):
    """Whether a folder is this template."""
    return (folder / "library" / MANIFEST).is_file()


def complete(source):
    """The library as it was released, whatever a copy of the link has brought.

    In a zip, and where Git makes no symbolic links, the link is a small text file.
    """
    if not VENDOR.is_dir():
        if source is None:
            sys.exit(f"{ANSWERS['_repo_dir']}: the library is not found there: give its whole path")
        VENDOR.unlink(missing_ok=True)
        VENDOR.parent.mkdir(exist_ok=True)
        shutil.copytree(source / "library", VENDOR, copy_function=shutil.copyfile)
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


def address(source):
    """The URL of the template without a password; nothing where it is a path of this machine."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    url = str(ANSWERS["_template"])
    if source is not None:
        try:
            text = (git_folder(source)[1] / "config").read_text(encoding="utf-8")
            config.read_string("\n".join(line.strip() for line in text.splitlines()))
            url = config.get('remote "origin"', "url", fallback=url)
        except (OSError, configparser.Error):
            pass
    if not URL.match(url):
        return ""
    return re.sub(r"(://)[^/@]*@", r"\1", url).partition("?")[0]


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
    lines += [
        f"  {name}: {json.dumps(ANSWERS[name], ensure_ascii=False)}\n" for name in QUESTIONS
    ]
    Path(".mlgitops.yaml").write_text("".join(lines), encoding="utf-8", newline="\n")


for name in {"argocd", "flux"} - {ANSWERS["gitops"]}:
    shutil.rmtree(f"deploy/{name}")
there = template()
remember(there, complete(there))

print(
    f"""
Next:
  cd {ANSWERS["project_slug"]}
  make setup
  git add --all && git commit --message "Start"
"""
)
