"""The files and folders that are rules: an owner answers for each, and CODEOWNERS has the same."""

import re

# As CODEOWNERS has it: /name is in the project's folder, a name alone anywhere. Worst first. Beside
# each file stand those that its program reads instead of it.
FILES = (
    "/gate.yaml", "/schema.yaml", "dvc.yaml", ".dvcignore", "/.dvc/",
    "/.github/", "/.gitea/", "/.forgejo/", "CODEOWNERS", ".gitattributes", "/.gitmodules",
    "/zizmor.yml", "/zizmor.yaml",
    "/vendor/", "/.venv/", "/Makefile", "/makefile", "/GNUmakefile",
    "pyproject.toml", "/uv.lock", "/uv.toml", "/.python-version", "/.python-versions",
    "ruff.toml", ".ruff.toml", "/mypy.ini", "/.mypy.ini", "/setup.cfg", "/tox.ini",
    "/pytest.ini", "/.pytest.ini", "/pytest.toml", "/.pytest.toml", "/conftest.py",
    "/Dockerfile", "/Dockerfile.dockerignore", "/.dockerignore",
    "/.mlgitops.yaml", "/.pre-commit-config.yaml", "/deploy/", "/infra/",
)  # fmt: skip
# What a command writes, and its own checks look at.
RELEASE = re.compile(r"deploy/[\w-]+/release\.env")


def place(path: str) -> int | None:
    """Where a file stands among the rules; None if it is none of them."""
    if RELEASE.fullmatch(path):
        return None
    return next((order for order, rule in enumerate(FILES) if covers(rule, path)), None)


def covers(rule: str, path: str) -> bool:
    """Whether an entry names a path, or a folder that it is in; a link is a path too."""
    name = rule.strip("/")
    if rule.startswith("/"):
        return f"{path}/".startswith(f"{name}/")
    return name in path.split("/")
