"""The fallback: a fitted scikit-learn pipeline, for estimators without a converter to ONNX."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mlgitops.serving.contract import Answer, Signature, Table
from mlgitops.serving.errors import UserError

# The name by which a pipeline of before there was a library refers to its features.
PICKLED = "ml.features"


def add_code(folder: Path) -> None:
    """Make the code in the folder what the pipeline finds by its name, `ml`.

    The project's own package need not be installed; where it is, the folder still decides, if
    nothing has imported it before. A folder from before there was a library has features.py alone.
    """
    if not (folder / "features.py").exists():
        sys.path.insert(0, str(folder.resolve()))
        return
    package, _, _ = PICKLED.partition(".")
    found = importlib.util.spec_from_file_location(PICKLED, folder / "features.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[package] = ModuleType(package)
    sys.modules[PICKLED] = module
    found.loader.exec_module(module)


def load_pipeline(folder: Path) -> Any:
    """The pipeline of the folder with its code, which leaves the folder as it is: no bytecode."""
    import joblib

    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        add_code(folder)
        return joblib.load(folder / "model.joblib")
    finally:
        sys.dont_write_bytecode = before


class Fitted:
    """model.joblib with the code that it was fitted with."""

    def __init__(self, folder: Path, signature: Signature) -> None:
        """Load both; a UserError if a package is missing or a file is damaged."""
        try:
            import pandas as pd

            self.pipeline = load_pipeline(folder)
        except Exception as error:
            text = " ".join(str(error).split())
            raise UserError(f"{folder / 'model.joblib'} cannot be loaded: {text}") from None
        self.frame, self.series = pd.DataFrame, pd.Series
        self.classifies = signature.task != "regression"
        if self.classifies and self.pipeline.classes_.tolist() != list(signature.labels or ()):
            raise UserError(f"{folder / 'model.joblib'} has other labels than signature.json says")
        self.likely = self.classifies and hasattr(self.pipeline, "predict_proba")

    def __call__(self, table: Table, likely: bool) -> Answer:
        """The answer for a checked table; probabilities are a second pass, so only if asked for."""
        frame = self.frame(
            {name: self.series(one[:, 0], dtype=one.dtype) for name, one in table.items()}
        )
        values = np.asarray(self.pipeline.predict(frame))
        if not (likely and self.likely):
            return Answer(values, None)
        return Answer(values, self.pipeline.predict_proba(frame).astype(np.float32))
