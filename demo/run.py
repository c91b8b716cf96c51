"""`make demo`: the whole story, in a folder of its own, command by command."""

import os
import shlex
import shutil
import signal
import sys
from contextlib import closing

from environments import Environments
from story import FOLDER, PROJECT, ROOT, Story

LATER, LATEST = (
    os.path.relpath(ROOT / f"demo/flights-2013-{month}.csv", PROJECT) for month in ("07", "08")
)
RUNS = f"python {shlex.quote(os.path.relpath(ROOT / 'demo/runs.py', PROJECT))}"
TO_COME = ROOT / "demo/flights-to-come.csv"


def tell(story: Story) -> None:
    """The story, act by act."""
    first_model(story)
    better_parameter(story)
    bad_parameter(story)
    story.act("4. From the merged commit to a running model: staging, then production")
    with closing(Environments(story)) as environments:
        first = release_and_promote(story, environments)
        story.prove("production runs what staging ran, to the byte, and says which commit that is")
        new_month(story)
        story.act("6. The new model is released in the same way")
        second = release_and_promote(story, environments)
        story.prove("another model runs, by two commits that people can read")
        story.step("has August moved", f"make monitor LOG={shlex.quote(LATEST)}")
        story.prove("the model that knows July sees nothing new in August: the monitor is quiet")
        roll_back(story, environments, first, second)
    rebuild_tracker(story)
    story.act("9. Which of these flights will be late?")
    to_come = os.path.relpath(TO_COME, PROJECT)
    story.step(
        "score", f"make score INPUT={shlex.quote(to_come)} OUTPUT=scores.csv", "cat scores.csv"
    )
    story.prove("the model scores files as it answers requests: by the same contract")


def first_model(story: Story) -> None:
    """Generate, set up, look, judge, commit."""
    story.act("1. A project, and its first model, from the flights of January to June")
    story.step(
        "generate the project",
        f"cookiecutter --no-input --output-dir {shlex.quote(str(FOLDER))} {shlex.quote(str(ROOT))}",
        cwd=ROOT,
    )
    story.step("set up: environment, data, first run", "make setup")
    story.step("commit", "make card", "git add --all", 'git commit --quiet --message "Start"')
    story.step("metrics, slices, gate", "make show", "make gate")
    story.prove("one command trains, measures and judges a model that dvc.lock can prove")


def better_parameter(story: Story) -> None:
    """A change that the gate passes, merged."""
    story.act("2. A better parameter, on a branch like a pull request")
    story.step("branch", "git switch --quiet --create slower-learning")
    story.edit("params.yaml", "learning_rate: 0.1", "learning_rate: 0.05")
    story.step("retrain what changed", "make pipeline", "make card")
    judge_and_merge(story, "Learn slower", "slower-learning")
    story.prove("a change that is better passes the gate, and its report says by how much")


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
    story.act("3. A bad one: a digit that slipped")
    story.step("branch", "git switch --quiet --create slipped")
    story.edit("params.yaml", "learning_rate: 0.05", "learning_rate: 0.5")
    story.step("retrain what changed", "make pipeline")
    story.step("commit", "git add --all", 'git commit --quiet --message "Learn much faster"')
    story.step("the gate refuses", "make gate", fails=True)
    story.step("the report says why", "make report BASE=main OUTPUT=artifacts/report.md")
    story.show("artifacts/report.md")
    story.step("leave it", "git switch --quiet main", "dvc checkout --quiet")
    story.prove("a change that is worse is refused, and main is as it was")


def release_and_promote(story: Story, environments: Environments) -> str:
    """Main's commit to staging, from there to production; the commit that runs then."""
    environments.release()
    story.step("commit", 'git commit --all --quiet --message "Release to staging"')
    staged = environments.follow("staging", TO_COME)
    story.step("promote", "make promote")
    story.step("commit", 'git commit --all --quiet --message "Promote to production"')
    promoted = environments.follow("production", TO_COME)
    if staged != promoted:
        sys.exit(f"production runs {promoted}, staging {staged}")
    return promoted["commit"]


def new_month(story: Story) -> None:
    """New rows, checked, trained on, judged against what production runs, merged."""
    story.act("5. July is unlike the months before it: retrained, judged against what runs")
    story.step("has it moved", f"make monitor LOG={shlex.quote(LATER)}", fails=True)
    story.prove("drift is told with the columns that moved, and how far")
    story.step("branch", "git switch --quiet --create july")
    story.step("take the new rows", f"make data SOURCE={shlex.quote(LATER)} APPEND=1")
    story.step("retrain", "make pipeline", "make card")
    judge_and_merge(story, "Add July", "july")
    story.prove("new data is checked, trained on and compared with the released model")


def roll_back(story: Story, environments: Environments, first: str, second: str) -> None:
    """Production goes back by a revert of the commit that changed it, staging by the command."""
    story.act("7. Something is wrong with it: go back, by Git alone")
    story.step("roll back", "git revert --no-edit HEAD")
    found = environments.follow("production", TO_COME)["commit"]
    if found != first or first == second:
        sys.exit(f"production runs {found[:7]} after the rollback of {second[:7]} to {first[:7]}")
    print(f"  # production runs {first[:7]} again; {second[:7]} still runs in staging")
    story.step("or by the command", "make rollback ENVIRONMENT=staging")
    story.step("commit", 'git commit --all --quiet --message "Roll staging back"')
    if environments.follow("staging")["commit"] != first:
        sys.exit(f"staging does not run {first[:7]} after the rollback")
    story.prove("a rollback is a commit; what runs followed it within seconds")


def rebuild_tracker(story: Story) -> None:
    """The runs, and the aliases of what is released, from Git alone."""
    story.act("8. The tracker is a projection of Git: delete it, and build it again")
    story.step("track every commit", "make track ALL=1", "make register", RUNS)
    before = story.said
    story.step(
        "delete and rebuild", "rm -r mlflow.db mlartifacts", "make track ALL=1", "make register",
        RUNS,
    )  # fmt: skip
    if story.said != before:
        sys.exit("the tracker that was rebuilt shows other figures")
    story.prove("the tracker came back from Git with the same figures, to the last digit")


def main() -> None:
    """Start again, tell the story, say how to go on."""
    shutil.rmtree(PROJECT, ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    story = Story()
    # So that a story that is ended from outside stops what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tell(story)
    print(f"\n\033[1mWhat happened\033[0m\n{story.summary()}\n")
    print("Go on:")
    print(f"  cd {shlex.quote(os.path.relpath(PROJECT))} && source .venv/bin/activate")
    print("  make data SOURCE=path/to/your.csv TARGET=column")
    print("  make pipeline")


if __name__ == "__main__":
    main()
