"""What the hook of a commit asks where dvc.lock or artifacts/ are in it."""

from pathlib import Path

from mlgitops.core.errors import UserError, join_names
from mlgitops.evaluation import evidence
from mlgitops.git import repository


def lock() -> None:
    """Refuse a dvc.lock, or figures, that were not made from the files that are committed.

    pre-commit puts aside what is not staged, so the files here are those of the commit.
    """
    path = Path(repository.LOCK)
    if not path.exists():
        raise UserError("artifacts/ has figures and there is no dvc.lock: make pipeline")
    if stale := evidence.changes(repository.parse_lock(path.read_text(encoding="utf-8"))):
        raise UserError(
            f"dvc.lock was made from another {join_names(stale)}: make pipeline, git add --all, "
            "and commit again. Or leave dvc.lock and artifacts/ out: the pull request trains"
        )
