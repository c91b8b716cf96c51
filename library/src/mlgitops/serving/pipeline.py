"""The fallback: a fitted scikit-learn pipeline, for estimators without a converter to ONNX."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

from mlgitops.serving.errors import Mistake
from mlgitops.serving.model import Answer, Signature, Table

# The name by which the pipeline refers to the features that it was fitted with.
PICKLED = "mlgitops.training.features"


def travelled(file: Path) -> None:
    """Make the features in the folder those that the pipeline finds by their name.

    The project's own package need not be installed; where it is, the folder still decides.
    """
    package, _, _ = PICKLED.partition(".")
    found = importlib.util.spec_from_file_location(PICKLED, file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[package] = ModuleType(package)
    sys.modules[PICKLED] = module
    found.loader.exec_module(module)


class Fitted:
    """model.joblib with the features.py that it was fitted with."""

    def __init__(self, folder: Path, signature: Signature) -> None:
        """Load both; a Mistake if a package is missing or a file is damaged."""
        try:
            import joblib
            import pandas as pd

            travelled(folder / "features.py")
            self.pipeline = joblib.load(folder / "model.joblib")
        except Exception as error:
            text = " ".join(str(error).split())
            raise Mistake(f"{folder / 'model.joblib'} cannot be loaded: {text}") from None
        self.frame, self.series = pd.DataFrame, pd.Series
        self.classifies = signature.task != "regression"
        if self.classifies and self.pipeline.classes_.tolist() != list(signature.labels or ()):
            raise Mistake(f"{folder / 'model.joblib'} has other labels than signature.json says")
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
