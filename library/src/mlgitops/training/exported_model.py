"""artifacts/model/: what is exported, and how it is asked for predictions."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from mlgitops.core import config, paths
from mlgitops.core.errors import UserError
from mlgitops.data.schema import Column, Task

FOLDER = paths.MODEL
Format = Literal["onnx", "sklearn"]
Kind = Literal["label", "probabilities", "value"]
Policy = Literal["refuse", "accept"]
# A classifier's classes, in the order of its probabilities; None for a regression.
Labels = tuple[int | str, ...] | None
FILES: dict[Format, str] = {"onnx": "model.onnx", "sklearn": "model.joblib"}


class Input(Column):
    """A feature: what serving accepts, and the lowest and highest value that training has seen."""

    name: str
    seen: tuple[float, float] | None = None


class Output(config.Strict):
    """A result: a label, the probability of each label, or a value."""

    name: str
    type: Kind


class Signature(config.Strict):
    """signature.json: enough to serve the model without the code that trained it."""

    version: Literal[1]
    format: Format
    task: Task
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    labels: tuple[int | str, ...] | None = None
    examples: tuple[dict[str, Any], ...]
    unknown_category: Policy = "refuse"
    out_of_range: Policy = "refuse"
    # Columns of the table that are no inputs, as its target: the server ignores them.
    ignored: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, Column]:
        """The features by name."""
        return {one.name: one for one in self.inputs}


class Predictions(NamedTuple):
    """Labels or values of shape (rows,); probabilities of shape (rows, labels), if a classifier."""

    values: np.ndarray
    probabilities: np.ndarray | None

    def take(self, rows: np.ndarray) -> "Predictions":
        """The predictions for some of the rows, by position."""
        some = None if self.probabilities is None else self.probabilities[rows]
        return Predictions(self.values[rows], some)


# Answers for a table of `features.inputs`.
Runtime = Callable[[pd.DataFrame], Predictions]


class Model(NamedTuple):
    """A loaded artifacts/model/."""

    signature: Signature
    predict: Runtime


def read(folder: Path) -> Signature:
    """The signature of a complete folder; a UserError if it is not, or of another version."""
    try:
        text = (folder / "signature.json").read_text(encoding="utf-8")
    except OSError:
        raise UserError(f"{folder} holds no model: run `make pipeline`") from None
    try:
        plain = json.loads(text)
    except ValueError as error:
        raise UserError(f"{folder / 'signature.json'}: is not JSON: {error}") from None
    signature = config.parse(Signature, plain, str(folder / "signature.json"))
    file = folder / FILES[signature.format]
    if not file.exists():
        raise UserError(f"{file} is missing: run `make pipeline`")
    return signature


def load(folder: Path = FOLDER) -> Model:
    """The exported model; a UserError if the folder is incomplete or of another version."""
    signature = read(folder)
    file = folder / FILES[signature.format]
    return Model(signature, onnx(file) if signature.format == "onnx" else sklearn(file))


@contextmanager
def explain_errors(file: Path) -> Iterator[None]:
    """Turns what ONNX Runtime says of the file into a UserError."""
    try:
        yield
    except Exception as error:
        # Its exceptions have no base of their own.
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        raise UserError(
            f"{file}: ONNX Runtime cannot run it: make pipeline FORCE=1; if that fails, set "
            f"export.format: sklearn in params.yaml ({' '.join(str(error).split())[:200]})"
        ) from error


def onnx(file: Path) -> Runtime:
    """The model in ONNX Runtime."""
    import onnxruntime

    with explain_errors(file):
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

    def predict(table: pd.DataFrame) -> Predictions:
        with explain_errors(file):
            answers = session.run(None, {name: table[[name]].to_numpy() for name in table})
        if len(answers) == 1:
            return Predictions(answers[0].reshape(-1), None)
        return Predictions(*answers)

    return predict


def sklearn(file: Path) -> Runtime:
    """The fitted pipeline in scikit-learn, with the code that travels with it."""
    from mlgitops.serving.pipeline import load_pipeline

    pipeline = load_pipeline(file.parent)

    def predict(table: pd.DataFrame) -> Predictions:
        values = np.asarray(pipeline.predict(table))
        known = hasattr(pipeline, "predict_proba")
        return Predictions(values, pipeline.predict_proba(table) if known else None)

    return predict


def load_isolated(folder: Path) -> Model:
    """The model of another commit. One that brings code of its own answers in its own process.

    Its `ml` is the code that it was fitted with, which this process may know in another version.
    """
    signature = read(folder)
    if signature.format == "onnx":
        return load(folder)

    def predict(table: pd.DataFrame) -> Predictions:
        with TemporaryDirectory() as place:
            given, answer = Path(place, "table.joblib"), Path(place, "answer.npz")
            joblib_dump({name: table[name].to_numpy() for name in table}, given)
            command = [sys.executable, "-m", __name__, str(folder), str(given), str(answer)]
            done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)  # noqa: S603
            if done.returncode != 0:
                *_, last = ["it ended without an error message", *done.stderr.strip().splitlines()]
                raise UserError(last)
            with np.load(answer) as found:
                return Predictions(plain_labels(found["values"]), found.get("probabilities"))

    return Model(signature, predict)


def joblib_dump(value: Any, path: Path) -> None:
    """Write an object for a process of our own."""
    import joblib

    joblib.dump(value, path)


def plain_labels(values: np.ndarray) -> np.ndarray:
    """Labels as every runtime gives them: text as objects."""
    return values.astype("object") if values.dtype.kind == "U" else values


def main() -> None:
    """Answer for FOLDER TABLE ANSWER: the other half of `apart`."""
    import joblib

    folder, given, answer = map(Path, sys.argv[1:])
    values, probabilities = load(folder).predict(pd.DataFrame(joblib.load(given)))
    known: dict[str, Any] = {} if probabilities is None else {"probabilities": probabilities}
    text = values.astype("str") if values.dtype.kind == "O" else values
    np.savez(answer, values=text, **known)


if __name__ == "__main__":
    main()
