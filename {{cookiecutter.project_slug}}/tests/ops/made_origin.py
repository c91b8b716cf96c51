"""A bare repository with one commit on main, to clone and to push to."""

import os
import subprocess
from pathlib import Path

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
}
STARTED = {
    "dvc.lock": "schema: '2.0'\n",
    "params.yaml": "train: {}\n",
    ".gitignore": ".env\n",
    "artifacts/.gitignore": "/model\n/gate.json\n",
    "artifacts/metrics.json": '{"rows": 1}\n',
    "src/ml/features.py": "FEATURES = []\n",
    "store/files/md5/10/98e2cb1442f45f8ca2e74e1cd24bd0": "red\n",
}


def git(folder: Path, *arguments: str) -> str:
    """What a Git command prints in a folder."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=os.environ | IDENTITY,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def made(folder: Path) -> Path:
    """The bare repository, made below a folder."""
    start, bare = folder / "start", folder / "origin.git"
    write(start, STARTED)
    git(start, "init", "--quiet", "--initial-branch=main")
    git(start, "add", "--all")
    git(start, "commit", "--quiet", "--message", "Start")
    git(folder, "clone", "--quiet", "--bare", str(start), str(bare))
    return bare
