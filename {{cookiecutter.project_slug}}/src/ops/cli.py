"""`ops`: one command a module. Only the module that runs is loaded."""

from ml.cli import Commands, dispatch

COMMANDS: Commands = {
    "gate": ("ops.gate", "judge this commit: minimum, slices, champion, budget"),
    "reproduce": ("ops.reproduce", "make dvc.lock current or refuse it; judge; write result/"),
    "verdict": ("ops.verdict", "the verdict in result/, as an exit code"),
    "retrain": ("ops.retrain", "the data from its source again, and the model that follows"),
    "apply": ("ops.apply", "put what another job made into this tree"),
    "login": ("ops.login", "let Docker push to the registry of the image"),
    "sbom": ("ops.sbom", "Python and the packages in the image, as CycloneDX"),
    "case": ("ops.case", "what a promotion changes in production, as Markdown"),
    "report": ("ops.report", "what this commit changes, as the Markdown of a pull request"),
    "card": ("ops.card", "write docs/model-card.md and docs/data-sheet.md, or check them"),
    "manifests": ("ops.manifests", "render deploy/ and check what a cluster would be told"),
    "track": ("ops.track", "log what was trained to the tracker, from Git and the store"),
    "propose": ("ops.propose", "make what changed here one pull request, or update it"),
    "save": ("ops.save", "commit what CI made to a pull request's branch"),
    "comment": ("ops.comment", "write one comment on a pull request, or update it"),
    "statuses": ("ops.statuses", "the ends of a run's jobs as statuses of a commit"),
    "image": ("ops.image", "build the image of what is checked out"),
    "push": ("ops.push", "push it, and print the digest that a release is made of"),
    "smoke": ("ops.smoke", "start it as Kubernetes would, and try it"),
    "release": ("ops.release", "an image of a commit of main becomes what staging runs, as a file"),
    "promote": ("ops.promote", "what staging runs becomes what production runs, as a file"),
    "rollback": ("ops.rollback", "an environment goes back to what it ran before, as a file"),
    "register": ("ops.register", "make the tracker's aliases equal to what main releases"),
    "serve": ("ops.serve", "the server as an environment runs it, as a process"),
    "doctor": ("ops.doctor", "what the set-up lacks, and the command that mends it"),
    "up": ("ops.up", "start the server as released, MLflow and Prometheus"),
    "down": ("ops.down", "stop them; what they stored stays"),
    "ui": ("ops.ui", "open the tracker's pages"),
}


def main() -> None:
    """Run `ops` with the arguments of this process."""
    dispatch("ops", COMMANDS)
