"""`ml`: one command a module. Only the module that runs is loaded."""

import sys
from importlib import import_module

from ml.errors import Mistake

COMMANDS = {
    "data": ("ml.data", "take a table as the project's data; alone: refresh it"),
    "pipeline": ("ml.pipeline", "run the stages whose inputs changed, then store the outputs"),
    "validate": ("ml.stages.validate", "stage: check the data against schema.yaml"),
    "prepare": ("ml.stages.prepare", "stage: split the data into training and test set"),
    "train": ("ml.stages.train", "stage: fit the model to the training set"),
    "export": ("ml.stages.export", "stage: write the model in the form that is served"),
    "evaluate": ("ml.stages.evaluate", "stage: measure the exported model on the test set"),
    "score": ("ml.score", "predict for every row of a CSV or Parquet file"),
    "show": ("ml.show", "print the metrics and the slices of the last run"),
}


def overview() -> str:
    """The text of `ml --help`."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {line}" for name, (_, line) in COMMANDS.items()]
    return "\n".join(
        ["usage: ml COMMAND ...", "", *lines, "", "`ml COMMAND --help` tells more of one."]
    )


def run(name: str, arguments: list[str]) -> None:
    """Load the module of one command and hand it the arguments."""
    import typer

    command = getattr(import_module(COMMANDS[name][0]), name)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    app(args=arguments, prog_name=f"ml {name}")


def main() -> None:
    """Run `ml` with the arguments of this process."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(overview())
        return
    if name not in COMMANDS:
        print(f"ml: no command {name!r}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    try:
        run(name, arguments)
    except Mistake as mistake:
        print(f"ml {name}: {mistake}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
