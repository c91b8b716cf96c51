"""`ops`: one command a module. Only the module that runs is loaded."""

from ml.cli import Commands, dispatch

COMMANDS: Commands = {
    "gate": ("ops.gate", "judge this commit: minimum, slices, champion, budget"),
    "report": ("ops.report", "what this commit changes, as the Markdown of a pull request"),
    "card": ("ops.card", "write docs/model-card.md and docs/data-sheet.md, or check them"),
    "track": ("ops.track", "log what was trained to the tracker, from Git and the store"),
    "propose": ("ops.propose", "make what changed here one pull request, or update it"),
    "save": ("ops.save", "commit what CI made to a pull request's branch"),
    "comment": ("ops.comment", "write one comment on a pull request, or update it"),
    "image": ("ops.image", "build the image of what is checked out"),
    "push": ("ops.push", "push it, and print the digest that a release is made of"),
    "smoke": ("ops.smoke", "start it as Kubernetes would, and try it"),
    "doctor": ("ops.doctor", "what the set-up lacks, and the command that mends it"),
    "ui": ("ops.ui", "open the tracker's pages"),
}


def main() -> None:
    """Run `ops` with the arguments of this process."""
    dispatch("ops", COMMANDS)
