"""Judging: the gate, the report, and the tracker on a history of 50 trained commits."""

import shutil
import subprocess

from measure import PROJECT, cost, edit, middle, pairs, row

COMMITS = 50


def git(*arguments: str) -> None:
    """Run git in the project, as somebody."""
    who = ["-c", "user.name=Bench", "-c", "user.email=bench@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=PROJECT, check=True, capture_output=True)


def commit(subject: str) -> None:
    """Commit everything."""
    git("add", "--all")
    git("commit", "--no-verify", "--message", subject)


def history() -> None:
    """COMMITS trained commits, which take two lock files in turn."""
    commit("Start")
    git("branch", "--force", "one")
    edit("params.yaml", "max_iter: 100", "max_iter: 50")
    cost("make", "pipeline")
    commit("Two")
    git("branch", "--force", "two")
    for number in range(2, COMMITS):
        git("checkout", ("one", "two")[number % 2], "--", ".")
        commit(f"Number {number}")


def empty_tracker() -> None:
    """No database, no artifacts."""
    (PROJECT / "mlflow.db").unlink(missing_ok=True)
    shutil.rmtree(PROJECT / "mlartifacts", ignore_errors=True)


def main() -> None:
    """The claims about judging."""
    history()
    gate = middle([cost("make", "gate") for _ in range(3)])
    row("make gate on the sample", f"{gate.seconds:.1f} s", "≤ 4 s")
    report = middle([cost("make", "report", "BASE=one") for _ in range(3)])
    row("make report on the sample", f"{report.seconds:.1f} s", "≤ 4 s")
    empty_tracker()
    row("make track, from cold", f"{cost('make', 'track').seconds:.1f} s", "≤ 5 s")
    empty_tracker()
    one = cost("make", "track").seconds
    rest = (cost("make", "track", "ALL=1").seconds - one) / (COMMITS - 1)
    row(f"make track ALL=1, a commit of {COMMITS} after the first", f"{rest:.2f} s", "≤ 1 s")
    ours, base = pairs(
        lambda: cost("make", "track"), lambda: cost("python", "-c", "import mlflow"), 3
    )
    row(
        "make track with nothing to log / import mlflow",
        f"{ours.seconds / base.seconds:.2f} x ({ours.seconds:.1f} s)", "",
    )  # fmt: skip


if __name__ == "__main__":
    main()
