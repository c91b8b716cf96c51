"""How MLflow asks artifacts/model/ for predictions; it lies beside the model as `code/`.

It needs the folder, numpy, pandas, and ONNX Runtime or joblib and scikit-learn.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def onnx(file: Path) -> Callable[[pd.DataFrame], list[Any]]:
    """Labels and probabilities, or values, by ONNX Runtime."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # It reports over the network otherwise.
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

    def predict(table: pd.DataFrame) -> list[Any]:
        return list(session.run(None, {name: table[[name]].to_numpy() for name in table}))

    return predict


def sklearn(file: Path) -> Callable[[pd.DataFrame], list[Any]]:
    """Labels and probabilities, or values, by scikit-learn, with the code beside the file."""
    import joblib

    sys.path.insert(0, str(file.parent.resolve()))
    pipeline = joblib.load(file)

    def predict(table: pd.DataFrame) -> list[Any]:
        known = [pipeline.predict_proba(table)] if hasattr(pipeline, "predict_proba") else []
        return [np.asarray(pipeline.predict(table)), *known]

    return predict


@dataclass(frozen=True)
class ServedModel:
    """A loaded artifacts/model/."""

    signature: dict[str, Any]
    run: Callable[[pd.DataFrame], list[Any]]

    def predict(self, table: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """For a table of the signature's columns: `label` and `probability_…`, or `value`."""
        del params  # MLflow hands them over; this model has none.
        columns = {one["name"]: _input(table, one) for one in self.signature["inputs"]}
        first, *rest = self.run(pd.DataFrame(columns))
        labels = self.signature["labels"]
        if labels is None:
            return pd.DataFrame({"value": np.asarray(first).reshape(-1)})
        shares = {
            f"probability_{label}": part[:, k] for part in rest for k, label in enumerate(labels)
        }
        return pd.DataFrame({"label": np.asarray(first), **shares})


def _input(table: pd.DataFrame, column: dict[str, Any]) -> pd.Series:
    """A column as the model takes it: float32, or text ("" if missing)."""
    name = column["name"]
    values = table[name] if name in table else pd.Series(None, index=table.index, dtype="object")
    if column["type"] == "category":
        return values.astype("object").where(values.notna(), "")
    return values.astype("float32")


def _load_pyfunc(path: str) -> ServedModel:
    """MLflow calls it with the path of the folder."""
    folder = Path(path)
    signature = json.loads((folder / "signature.json").read_text("utf-8"))
    as_onnx = signature["format"] == "onnx"
    run = onnx(folder / "model.onnx") if as_onnx else sklearn(folder / "model.joblib")
    return ServedModel(signature, run)
