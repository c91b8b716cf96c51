"""Print the runs of the tracker as a table, so that two trackers can be compared."""

import mlflow
from mlflow.entities import Run

FIGURES = ("log_loss", "roc_auc", "f1_macro", "accuracy")


def line(run: Run) -> str:
    """Commit, subject, verdict and figures of a run."""
    figures = "  ".join(f"{run.data.metrics[f'main/{name}']:8.4f}" for name in FIGURES)
    tags = run.data.tags
    return f"{tags['commit'][:8]}  {tags['subject']:22}  {tags['model'][:8]}  {figures}"


def main() -> None:
    """Oldest first."""
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    found = mlflow.search_runs(
        search_all_experiments=True, order_by=["attributes.start_time"], output_format="list"
    )
    print(f"commit    {'subject':22}  model     " + "  ".join(f"{name:>8}" for name in FIGURES))
    print("\n".join(map(line, found)))


if __name__ == "__main__":
    main()
