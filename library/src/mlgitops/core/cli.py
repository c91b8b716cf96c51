"""`mlgitops`: one command a module. Only the module that runs is loaded.

`mlgitops --help` is printed from the tables here, because typer takes longer to import than the
whole of it.
"""

import io
import locale
import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlgitops.core.errors import UserError, explain

if TYPE_CHECKING:
    import typer

# By the command's name: its module and function, and a line about it.
Commands = Mapping[str, tuple[str, str]]

COMMANDS: Commands = {
    "setup": ("training.setup:setup", "set up a clone, once: Git, hooks, data, first pipeline run"),
    "data": (
        "training.import_table:data",
        "import a table as the project's data; alone: refresh it",
    ),
    "pipeline": ("training.pipeline:pipeline", "run the stages whose inputs changed, then push"),
    "validate": ("data.validate:validate", "stage: check the data against schema.yaml"),
    "prepare": ("training.prepare:prepare", "stage: split the data, prepare the training rows"),
    "train": ("training.train:train", "stage: fit the model to the training set"),
    "export": ("training.export:export", "stage: write the model in the form that is served"),
    "evaluate": ("training.evaluate:evaluate", "stage: measure the exported model"),
    "show": ("core.print_metrics:show", "print the metrics and the slices of the last run"),
    "tune": ("training.tune:tune", "search the ranges of params.yaml for better values"),
    "score": ("training.batch_scoring:score", "predict every row of a CSV or Parquet file"),
    "gate": ("evaluation.gate:gate", "check the model: minimum, slices, champion, budget"),
    "report": ("reporting.report:report", "write what this commit changes, as Markdown"),
    "monitor": ("monitoring.monitor:monitor", "compare what production sees with its model's data"),
    "feedback": ("monitoring.feedback:feedback", "join labels that came later to predictions"),
    "card": ("reporting.card:card", "write or check docs/model-card.md and docs/data-sheet.md"),
    "serve": ("releases.run:serve", "run an environment's server as a process"),
    "track": ("tracking.track:track", "log trained commits to the tracker"),
    "register": ("tracking.aliases:register", "make the tracker's aliases equal to deploy/"),
    "ui": ("tracking.ui:ui", "open the tracker"),
    "image": ("images.build:image", "build the image of the checked-out commit"),
    "smoke": ("images.smoke:smoke", "start it as Kubernetes would, and test it"),
    "push": ("images.push:push", "push it and print the digest to release"),
    "release": ("releases.release:release", "release an image of main to staging; writes a file"),
    "promote": ("releases.promote:promote", "promote staging's release to production, as a file"),
    "rollback": ("releases.rollback:rollback", "return to the previous release; writes a file"),
    "up": ("releases.up:up", "start the released server, MLflow and Prometheus"),
    "down": ("releases.down:down", "stop them and keep their data"),
    "store": ("stores.store:store", "where the objects are, and what is missing; move them"),
    "gc": ("stores.gc:gc", "show or remove the objects that nothing needs"),
    "doctor": ("github.doctor:doctor", "list what the set-up lacks, and how to fix it"),
    "manifests": ("manifests.render:manifests", "render deploy/ and check it strictly"),
    "workflows": ("github.workflows:workflows", "check that no change can choose its judge"),
    "upgrade": ("git.upgrade:upgrade", "install another release of the library in vendor/"),
    "lock": ("ci.lock:lock", "hook: refuse to commit a dvc.lock of other files"),
    "vendor": ("core.vendor:vendor", "check that vendor/mlgitops is unedited"),
}
# What a job of a workflow runs; each also runs on a laptop.
CI: Commands = {
    "reproduce": ("ci.reproduce:reproduce", "make dvc.lock current or refuse it; judge; result/"),
    "checkrun": ("github.checkrun:checkrun", "wait for the check of a head; its run"),
    "images": ("ci.images:images", "what the registry says of images that a change would run"),
    "judge": ("ci.judge:judge", "judge what a change made by the rules that stand here; verdict/"),
    "examine": ("ci.examine:examine", "the verdict on the tree here, in a process of its own"),
    "verdict": ("ci.verdict:verdict", "the verdict in result/, as an exit code"),
    "retrain": ("ci.retrain:retrain", "the data from its source again, and the model"),
    "drift": ("ci.drift:drift", "whether what production sees has moved"),
    "start": ("github.start:start", "start the workflow that retrains, if the drift is news"),
    "apply": ("ci.apply:apply", "put what another job made into this tree"),
    "comment": ("github.comment:comment", "write one comment on a pull request, or update it"),
    "save": ("github.push_outputs:save", "commit what a job made to a pull request's branch"),
    "propose": ("github.pull_request:propose", "what changed here as one pull request"),
    "statuses": ("github.statuses:statuses", "the verdict as a status of the change's head"),
    "approve": ("github.approve:approve", "look again whether an owner has approved the head"),
    "summary": ("reporting.promotion_summary:summary", "what a promotion changes in production"),
    "login": ("images.login:login", "let Docker push to the registry of the image"),
    "sbom": ("images.sbom:sbom", "Python and the packages in the image, as CycloneDX"),
}
GROUPS = {"mlgitops": COMMANDS, "mlgitops ci": CI}
NESTED = "ci", "commands for CI: `mlgitops ci --help`"


def overview(program: str) -> str:
    """The text of `PROGRAM --help`."""
    lines = {name: line for name, (_, line) in GROUPS[program].items()}
    if program == "mlgitops":
        lines |= dict([NESTED])
    width = max(map(len, lines))
    rows = [f"  {name:{width}}  {line}" for name, line in lines.items()]
    last = f"`{program} COMMAND --help` explains one."
    return "\n".join([f"usage: {program} COMMAND ...", "", *rows, "", last])


def function(place: str) -> Any:
    """The function that a table names as sub-package.module:function."""
    module, _, name = place.partition(":")
    return getattr(import_module(f"mlgitops.{module}"), name)


def group(commands: Commands) -> "typer.core.TyperGroup":
    """The commands of a table as typer's group, which loads a module when its command runs."""
    import typer

    class Lazy(typer.core.TyperGroup):
        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            if args and args[0] not in commands:
                near = " or ".join(map(repr, get_close_matches(args[0], commands)))
                meant = f" Did you mean {near}?" if near else ""
                ctx.fail(f"No such command {args[0]!r}.{meant}")
            return super().resolve_command(ctx, args)

        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
            return list(commands)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in commands:
                return super().get_command(ctx, cmd_name)
            app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            app.command(cmd_name)(function(commands[cmd_name][0]))
            return typer.main.get_command(app)

    return Lazy(no_args_is_help=False)


def start() -> None:
    """The program: `main`, with files, names and output in UTF-8 whatever the locale says."""
    if not sys.flags.utf8_mode and locale.getencoding().lower() not in ("utf-8", "utf8"):
        os.environ["PYTHONUTF8"] = "1"  # also for what is started from here
        python, *words = sys.orig_argv
        os.execv(sys.executable, [python, "-X", "utf8", *words])  # noqa: S606
    main()


def write_anything() -> None:
    """Let a terminal show what its encoding has, and "?" for the rest."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            terminal = stream.isatty() and "PYTHONIOENCODING" not in os.environ
            encoding = locale.getencoding() if terminal else None
            stream.reconfigure(encoding=encoding, errors="replace")


def main() -> None:
    """Run `mlgitops` with the arguments of this process."""
    write_anything()
    program, arguments = "mlgitops", sys.argv[1:]
    if arguments[:1] == [NESTED[0]]:
        program, arguments = f"{program} {NESTED[0]}", arguments[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview(program))
        return
    try:
        run(program, arguments)
    except UserError as error:
        end(f"{program} {arguments[0]}: {error}\n")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # who read the output has enough
        end("")
    except Exception as error:
        if (sentence := explain(error)) is None:
            raise
        end(f"{program} {arguments[0]}: {sentence}\n")


def run(program: str, arguments: list[str]) -> None:
    """Run a command; what it printed has arrived, or the error says why not."""
    try:
        group(GROUPS[program])(args=arguments, prog_name=program)
    finally:
        sys.stdout.flush()


def end(text: str) -> None:
    """Say why a command failed, and end with 1; output that nothing takes is given up."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stderr.write(text)
    sys.exit(1)
