"""`make demo`: the whole story, in a folder of its own, command by command."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build/demo"
PROJECT = FOLDER / "penguins"
LATER = os.path.relpath(ROOT / "demo/penguins-2009.csv", PROJECT)
RUNS = f"python {shlex.quote(os.path.relpath(ROOT / 'demo/runs.py', PROJECT))}"
UNKNOWN = os.path.relpath(ROOT / "demo/new-penguins.csv", PROJECT)


class Done(NamedTuple):
    """A step that went well: what it was for, and how long it took."""

    what: str
    seconds: float


class Story:
    """Runs commands one after the other, shows them, and remembers their times."""

    def __init__(self) -> None:
        """Start with nothing done."""
        self.done: list[Done] = []
        self.said = ""
        environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
        # What `source .venv/bin/activate` does, and a name for the commits.
        self.environment = environment | {
            "PATH": f"{PROJECT / '.venv/bin'}{os.pathsep}{environment['PATH']}",
            "VIRTUAL_ENV": str(PROJECT / ".venv"),
            "PYTHONDONTWRITEBYTECODE": "",
            "GIT_AUTHOR_NAME": "Demo", "GIT_AUTHOR_EMAIL": "demo@example.org",
            "GIT_COMMITTER_NAME": "Demo", "GIT_COMMITTER_EMAIL": "demo@example.org",
        }  # fmt: skip

    def act(self, title: str) -> None:
        """Announce a new part of the story."""
        print(f"\n\033[1m{title}\033[0m", flush=True)

    def step(self, what: str, *commands: str, cwd: Path = PROJECT, fails: bool = False) -> None:
        """Run the commands; one that ends otherwise than it should ends the story."""
        started = time.monotonic()
        for command in commands:
            print(f"  $ {command}", flush=True)
            done = subprocess.run(
                shlex.split(command), cwd=cwd, env=self.environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
            right = bool(done.returncode) is fails
            self.said = interesting(done.stdout) if right else done.stdout
            indented(self.said)
            if not right:
                sys.exit(f"\n`{command}` ended with {done.returncode} in {cwd}; it says why above")
        self.done.append(Done(what, time.monotonic() - started))

    def show(self, name: str) -> None:
        """The first lines of a report: the verdict and the gate."""
        print(f"  $ head -24 {name}")
        indented("\n".join((PROJECT / name).read_text("utf-8").splitlines()[:24]))

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one value of a file, as a person would in an editor."""
        path = PROJECT / name
        text = path.read_text("utf-8")
        if text.count(old) != 1:
            sys.exit(f"{name} does not hold {old!r} once")
        print(f"  # in {name}: {old} -> {new}")
        path.write_text(text.replace(old, new), "utf-8")

    def summary(self) -> str:
        """The table of what happened."""
        width = max(len(done.what) for done in self.done)
        lines = [f"  {done.what:{width}}  {done.seconds:6.1f} s" for done in self.done]
        total = sum(done.seconds for done in self.done)
        return "\n".join([*lines, f"  {'together':{width}}  {total:6.1f} s"])


def indented(text: str) -> None:
    """Print what a command said."""
    print("".join(f"      {line}\n" for line in text.splitlines()), end="", flush=True)


def interesting(output: str) -> str:
    """The output without what DVC says about its own files."""
    dull = re.compile(
        r"^\s*$|didn't change, skipping|^Updating lock|^Generating lock|^Use `dvc push`|^make: "
        r"|\d+%\|"
    )
    return "\n".join(line for line in output.splitlines() if not dull.search(line))


def tell(story: Story) -> None:
    """The story, act by act."""
    first_model(story)
    better_parameter(story)
    bad_parameter(story)
    new_season(story)
    story.act("5. The tracker is a projection of Git: delete it, and build it again")
    story.step("track every commit", "make track ALL=1", RUNS)
    before = story.said
    story.step("delete and rebuild", "rm -r mlflow.db mlartifacts", "make track ALL=1", RUNS)
    if story.said != before:
        sys.exit("the tracker that was rebuilt shows other figures")
    print("  # the same figures, to the last digit")
    story.act("6. Which species are these?")
    story.step(
        "score", f"make score INPUT={shlex.quote(UNKNOWN)} OUTPUT=scores.csv", "cat scores.csv"
    )


def first_model(story: Story) -> None:
    """Generate, set up, look, judge, commit."""
    story.act("1. A project, and its first model from the seasons 2007 and 2008")
    story.step(
        "generate the project",
        f"cookiecutter --no-input --output-dir {shlex.quote(str(FOLDER))} {shlex.quote(str(ROOT))}",
        cwd=ROOT,
    )
    story.step("set up: environment, data, first run", "make setup")
    story.step("commit", "make card", "git add --all", 'git commit --quiet --message "Start"')
    story.step("metrics, slices, gate", "make show", "make gate")


def better_parameter(story: Story) -> None:
    """A change that the gate passes, merged."""
    story.act("2. A better parameter, on a branch as a pull request would be")
    story.step("branch", "git switch --quiet --create faster-learning")
    story.edit("params.yaml", "learning_rate: 0.1", "learning_rate: 0.3")
    story.step("retrain what changed", "make pipeline", "make card")
    judge_and_merge(story, "Learn faster", "faster-learning")


def judge_and_merge(story: Story, subject: str, branch: str) -> None:
    """Commit a change that the gate passes, show its report, and merge its branch."""
    story.step("commit", "git add --all", f'git commit --quiet --message "{subject}"')
    story.step("gate and report", "make gate", "make report BASE=main OUTPUT=artifacts/report.md")
    story.show("artifacts/report.md")
    story.step(
        "merge", "git switch --quiet main",
        f'git merge --quiet --no-ff --message "Merge {branch}" {branch}',
    )  # fmt: skip


def bad_parameter(story: Story) -> None:
    """A change that the gate refuses."""
    story.act("3. A bad one: ten times one, not a tenth")
    story.step("branch", "git switch --quiet --create slipped")
    story.edit("params.yaml", "learning_rate: 0.3", "learning_rate: 10")
    story.step("retrain what changed", "make pipeline")
    story.step("commit", "git add --all", 'git commit --quiet --message "Learn much faster"')
    story.step("the gate refuses", "make gate", fails=True)
    story.step("the report says why", "make report BASE=main OUTPUT=artifacts/report.md")
    story.show("artifacts/report.md")
    story.step("leave it", "git switch --quiet main", "dvc checkout --quiet")


def new_season(story: Story) -> None:
    """New rows, checked, trained on, judged, merged."""
    story.act("4. The season 2009 arrives as data")
    story.step("branch", "git switch --quiet --create season-2009")
    story.step("take the new rows", f"make data SOURCE={shlex.quote(LATER)} APPEND=1")
    story.step("retrain", "make pipeline", "make card")
    judge_and_merge(story, "Add the season 2009", "season-2009")


def main() -> None:
    """Start anew, tell the story, say how to go on."""
    shutil.rmtree(PROJECT, ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    story = Story()
    tell(story)
    print(f"\n\033[1mWhat happened\033[0m\n{story.summary()}\n")
    print("Go on:")
    print(f"  cd {shlex.quote(os.path.relpath(PROJECT))} && source .venv/bin/activate")
    print("  make data SOURCE=path/to/your.csv TARGET=column")
    print("  make pipeline")


if __name__ == "__main__":
    main()
