"""Where things are in a project, relative to its folder; dvc.yaml says the same."""

import re
from pathlib import Path

RAW = Path("data/raw.parquet")
POINTER = Path("data/raw.parquet.dvc")  # its version
TRAIN = Path("data/train.parquet")
TEST = Path("data/test.parquet")
DATA = Path("artifacts/data.json")  # the profile of the table
FITTED = Path("artifacts/fitted.joblib")
MODEL = Path("artifacts/model")
PARITY = Path("artifacts/parity.json")
METRICS = Path("artifacts/metrics.json")
SLICES = Path("artifacts/slices.json")
PLOTS = Path("artifacts/plots")
CLASSES = PLOTS / "classes.json"  # recall, precision and confusion of each class
IMPORTANCE = PLOTS / "importance.json"
GATE = Path("artifacts/gate.json")  # the verdict
REPORT = Path("artifacts/report.md")
TRIALS = Path("artifacts/trials")  # what a search tried
SBOM = Path("artifacts/sbom.json")
IMAGE = Path("artifacts/image.env")  # the image that was pushed last
RELEASED = Path("artifacts/released")  # the model of a release that runs as a process
MONITOR = Path("build/monitor.json")
MONITOR_REPORT, MONITOR_PAGE = Path("build/monitor.md"), Path("build/monitor.html")
FEEDBACK, FEEDBACK_REPORT = Path("build/feedback.json"), Path("build/feedback.md")
LABELLED = Path("build/labelled.parquet")  # rows whose labels came later
CARD, SHEET = Path("docs/model-card.md"), Path("docs/data-sheet.md")
LOCK = Path("dvc.lock")
STAGES = Path("dvc.yaml")
SCHEMA = Path("schema.yaml")
PARAMS = Path("params.yaml")
RULES = Path("gate.yaml")
PROJECT = Path("pyproject.toml")
CODE = Path("src/ml")  # the user's
# What commands write and commit, as Git's paths: a person edits none of it.
MADE = (LOCK.as_posix(), "artifacts/", "store/", CARD.as_posix(), SHEET.as_posix())
_FILES = {path.as_posix() for path in (LOCK, CARD, SHEET, DATA, PARITY, METRICS, SLICES)}
_PLOT = re.compile(rf"{PLOTS.as_posix()}/[^./][^/]*\.json")
_OBJECT = re.compile(r"store/([^./][^/]*/)*files/md5/[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?")


def is_made(path: str) -> bool:
    """Whether a path is that of a file which commands write: by its whole name, not by a part."""
    return path in _FILES or bool(_PLOT.fullmatch(path) or _OBJECT.fullmatch(path))
