"""Where things are in a project, relative to its folder; dvc.yaml says the same."""

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
LOCK = Path("dvc.lock")
SCHEMA = Path("schema.yaml")
PARAMS = Path("params.yaml")
RULES = Path("gate.yaml")
PROJECT = Path("pyproject.toml")
CODE = Path("src/ml")  # the user's
# What commands write and commit: a person edits none of it.
MADE = (LOCK.as_posix(), "artifacts/", "store/", "docs/model-card.md", "docs/data-sheet.md")
