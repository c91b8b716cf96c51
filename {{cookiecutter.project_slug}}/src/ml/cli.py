"""`ml`: one command a module. Only the module that runs is loaded."""

import sys
from collections.abc import Mapping
from importlib import import_module

from ml.errors import Mistake

# By the command's name: its module, which has a function of that name, and a line about it.
Commands = Mapping[str, tuple[str, str]]

COMMANDS: Commands = {
    "data": ("ml.data", "take a table as the project's data; alone: refresh it"),
    "pipeline": ("ml.pipeline", "run the stages whose inputs changed, then store the outputs"),
    "validate": ("ml.stages.validate", "stage: check the data against schema.yaml"),
    "prepare": ("ml.stages.prepare", "stage: split the data into training and test set"),
    "train": ("ml.stages.train", "stage: fit the model to the training set"),
    "export": ("ml.stages.export", "stage: write the model in the form that is served"),
    "evaluate": ("ml.stages.evaluate", "stage: measure the exported model on the test set"),
    "score": ("ml.score", "predict for every row of a CSV or Parquet file"),
    "tune": ("ml.tune", "search the ranges of params.yaml for better values"),
    "show": ("ml.show", "print the metrics and the slices of the last run"),
}


def overview(program: str, commands: Commands) -> str:
    """The text of `PROGRAM --help`."""
    width = max(map(len, commands))
    lines = [f"  {name:{width}}  {line}" for name, (_, line) in commands.items()]
    last = f"`{program} COMMAND --help` tells more of one."
    return "\n".join([f"usage: {program} COMMAND ...", "", *lines, "", last])


def run(program: str, name: str, module: str, arguments: list[str]) -> None:
    """Load the module of one command and hand it the arguments."""
    import typer

    command = getattr(import_module(module), name)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    app(args=arguments, prog_name=f"{program} {name}")


def dispatch(program: str, commands: Commands) -> None:
    """Run one of the program's commands with the arguments of this process."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(overview(program, commands))
        return
    if name not in commands:
        there = ", ".join(commands)
        print(f"{program}: no command {name!r}; there are {there}", file=sys.stderr)
        sys.exit(2)
    try:
        run(program, name, commands[name][0], arguments)
    except Mistake as mistake:
        print(f"{program} {name}: {mistake}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def main() -> None:
    """Run `ml` with the arguments of this process."""
    dispatch("ml", COMMANDS)
