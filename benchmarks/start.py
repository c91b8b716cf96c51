"""Starting: the bake, the help, a pipeline with nothing to do, a forced one."""

import shutil
import sys

from measure import FOLDER, PROJECT, ROOT, Cost, cost, middle, pairs, row


def bake() -> None:
    """A project from nothing."""

    def once() -> object:
        shutil.rmtree(FOLDER / "baked", ignore_errors=True)
        return cost(
            sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir",
            str(FOLDER / "baked"), str(ROOT), cwd=ROOT,
        )  # fmt: skip

    once()
    seconds = middle([once() for _ in range(5)]).seconds
    row("bake", f"{seconds:.2f} s", "≤ 0.6 s")


def check() -> None:
    """`make check`, as a push runs it: nothing that a tool keeps, then what it kept."""
    cold = middle([cold_check() for _ in range(3)])
    row("make check, tool caches empty", f"{cold.seconds:.1f} s", "≤ 15 s")
    warm = middle([cost("make", "check") for _ in range(3)])
    row("make check again", f"{warm.seconds:.1f} s", "≤ 8 s")


def cold_check() -> Cost:
    """Of a check without what ruff, mypy, pytest and hypothesis keep in the project."""
    for name in (".ruff_cache", ".mypy_cache", ".pytest_cache", ".hypothesis"):
        shutil.rmtree(PROJECT / name, ignore_errors=True)
    return cost("make", "check")


def main() -> None:
    """The claims about starting."""
    bake()
    ours, base = pairs(lambda: cost("mlgitops", "--help"), lambda: cost("python", "-c", "pass"), 9)
    row("mlgitops --help / python -c pass", f"{ours.seconds / base.seconds:.2f} x", "≤ 4 x")
    check()
    ours, base = pairs(lambda: cost("make", "pipeline"), lambda: cost("dvc", "repro"), 7)
    row(
        "make pipeline / dvc repro, nothing to do",
        f"{ours.seconds / base.seconds:.2f} x ({ours.seconds:.2f} s)",
        "≤ 1.2 x",
    )
    forced = middle([cost("make", "pipeline", "FORCE=1") for _ in range(3)])
    row("make pipeline FORCE=1 on the sample", f"{forced.seconds:.1f} s", "≤ 9 s")


if __name__ == "__main__":
    main()
