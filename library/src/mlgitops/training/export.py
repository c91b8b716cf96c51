"""Write the model in the form that is served."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import joblib
import numpy as np
import pandas as pd
from pydantic import Field
from sklearn.pipeline import Pipeline

from mlgitops.core import config, paths, pipeline_version
from mlgitops.core.errors import UserError
from mlgitops.core.files import replacing, write_json
from mlgitops.data import profile, schema
from mlgitops.training import exported_model, hooks
from mlgitops.training.features import inputs


class Export(config.Section):
    """What is written."""

    format: exported_model.Format


class Parity(config.Rule):
    """How far the exported model may differ from scikit-learn, as shares of `rows` rows."""

    tolerance: Annotated[float, Field(gt=0, le=0.01)]
    max_differing: Annotated[float, Field(ge=0, le=0.05)]
    max_flipped: Annotated[float, Field(ge=0, le=0.05)]
    rows: Annotated[int, Field(ge=100)]


class Requests(config.Rule):
    """What the server does with categories and numbers that schema.yaml does not allow."""

    unknown_category: exported_model.Policy = "refuse"
    out_of_range: exported_model.Policy = "refuse"


def signature(
    examples: pd.DataFrame, labels: list[int | str] | None, rules: schema.Schema
) -> exported_model.Signature:
    """What serving needs to know: inputs, outputs, labels, three rows to try."""
    requests = config.load(Requests)
    kinds: tuple[exported_model.Kind, ...] = (
        ("value",) if labels is None else ("label", "probabilities")
    )
    first = examples[list(rules.features)].head(3)
    return exported_model.Signature(
        version=1,
        format=config.load(Export).format,
        task=rules.task,
        inputs=tuple(input_of(examples[name], one) for name, one in rules.features.items()),
        outputs=tuple(exported_model.Output(name=kind, type=kind) for kind in kinds),
        labels=None if labels is None else tuple(labels),
        examples=tuple(json.loads(first.to_json(orient="records"))),
        unknown_category=requests.unknown_category,
        out_of_range=requests.out_of_range,
        ignored=tuple(
            name for name in (*rules.columns, *rules.left_out) if name not in rules.features
        ),
    )


def plain(described: exported_model.Signature) -> dict[str, Any]:
    """The JSON of a signature; `private` only where it is, as other models stay as they were."""
    found = described.model_dump(mode="json")
    for one in found["inputs"]:
        if not one["private"]:
            del one["private"]
    return found


def input_of(values: pd.Series, column: schema.Column) -> exported_model.Input:
    """A feature as serving accepts it, with the range of its values, if they are numbers."""
    known = values.dropna()
    seen = None
    if column.type != "category" and len(known):
        numbers = known.astype("float64")
        seen = (numbers.min(), numbers.max())
    return exported_model.Input(name=str(values.name), **dict(column), seen=seen)


def parity(
    fitted: Pipeline, exported: exported_model.Runtime, table: pd.DataFrame, p: Parity
) -> dict[str, float]:
    """The shares of rows that differ by more than the tolerance, and whose label is another.

    The tolerance is one of a probability, or of the spread (standard deviation) of the values.
    """
    answer = exported(table)
    if answer.probabilities is None:
        expected = fitted.predict(table)
        # If all answers are nearly the same, a share of the value: float32 has 7 digits.
        spread = max(float(np.std(expected)), 0.01 * float(np.abs(expected).mean()), 1e-9)
        limit = p.tolerance * spread
        near = np.abs(answer.values - expected) <= limit  # False for NaN
        return {"differing": float((~near).mean()), "flipped": 0.0}
    expected = fitted.predict_proba(table)
    near = (np.abs(answer.probabilities - expected) <= p.tolerance).all(axis=1)
    flipped = answer.values != fitted.predict(table)
    return {"differing": float((~near).mean()), "flipped": float(flipped.mean())}


def write(
    fitted: Pipeline, rules: schema.Schema, form: exported_model.Format, folder: Path
) -> None:
    """model.onnx, or model.joblib and the project's code that it calls by name, in the folder."""
    file = folder / exported_model.FILES[form]
    if form == "sklearn":
        joblib.dump(fitted, file)
        ignored = shutil.ignore_patterns("__pycache__", "*.py[co]", ".*")
        shutil.copytree(paths.CODE, folder / paths.CODE.name, ignore=ignored)
        return
    from mlgitops.training.convert import convert

    try:
        file.write_bytes(convert(fitted, rules.features).SerializeToString(deterministic=True))
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        raise UserError(
            f"{type(fitted[-1]).__name__} cannot be written as ONNX: set export.format: sklearn in "
            f"params.yaml, or choose another estimator ({' '.join(str(error).split())[:200]})"
        ) from error


# The server's image has nothing else of the library.
ALONE = """
import sys
from pathlib import Path

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("mlgitops.") and name.split(".")[1] != "serving":
            raise ImportError(f"it imports {name}, which the server does not have")

sys.meta_path.insert(0, Absent())
from mlgitops.serving import contract, pipeline
folder = Path(sys.argv[1])
pipeline.Fitted(folder, contract.read(folder))
"""


def check_alone(folder: Path) -> None:
    """Refuse a pickle that the server could not load: what it names must be in the folder."""
    command = [sys.executable, "-c", ALONE, str(folder)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)  # noqa: S603
    if done.returncode != 0:
        *_, last = done.stderr.strip().splitlines()
        raise UserError(
            f"with export.format: sklearn {paths.CODE} travels with the model, and its modules "
            "that the model needs can import packages of the server only, nothing else of "
            "mlgitops: "
            f"{last.partition(': ')[2][:300]}"
        )


def fill(
    folder: Path, pipeline: Pipeline, rows: pd.DataFrame, rules: schema.Schema
) -> exported_model.Runtime:
    """All that artifacts/model holds, into the empty folder: a model fitted to the rows, loaded."""
    form, most = config.load(Export).format, config.load(Parity).rows
    labels = None if rules.task == "regression" else pipeline.classes_.tolist()
    write(pipeline, rules, form, folder)
    described = signature(rows, labels, rules)
    write_json(plain(described), folder / "signature.json")
    table = inputs(rows, rules.features)
    exported = exported_model.load(folder).predict
    answer = exported(table.iloc[:: max(1, len(table) // most)])
    write_json(reference(rows, answer, rules, labels), folder / "reference.json")
    return exported


def export(
    fitted: Path = paths.FITTED,
    examples: Path = paths.TRAIN,
    folder: Path = paths.MODEL,
    agreement: Path = paths.PARITY,
) -> None:
    """Write the model in the form that is served; refuse one that answers otherwise."""
    pipeline_version.check()
    rules, form, p = schema.load(), config.load(Export).format, config.load(Parity)
    hooks.features()  # The pickle names the project's functions.
    pipeline, rows = joblib.load(fitted), pd.read_parquet(examples)
    table = inputs(rows, rules.features).head(p.rows)
    with replacing(folder) as part:
        part.mkdir()
        found = parity(pipeline, fill(part, pipeline, rows, rules), table, p)
        check_parity(found, len(table), p, form)
        if form == "sklearn":
            check_alone(part)
    write_json(found, agreement)
    print(f"{folder}: {form}, {found['differing']:.2%} of the rows differ from scikit-learn")


def check_parity(
    found: dict[str, float], rows: int, p: Parity, form: exported_model.Format
) -> None:
    """Refuse an exported model whose shares of other answers for so many rows are too large."""
    for kind, limit in (("differing", p.max_differing), ("flipped", p.max_flipped)):
        if found[kind] > limit:
            raise UserError(
                f"{found[kind]:.2%} of {rows} rows are {kind} between "
                f"scikit-learn and {form}: more than parity.max_{kind}, {limit:.2%}. "
                "Choose another estimator, or set export.format: sklearn in params.yaml"
            )


def reference(
    examples: pd.DataFrame,
    answer: exported_model.Predictions,
    rules: schema.Schema,
    labels: list[int | str] | None,
) -> dict[str, object]:
    """The profile of the training set and of predictions for it: what drift is measured by."""
    kind = "number" if labels is None else "category"
    predictions = profile.column(pd.Series(answer.values), kind)
    return profile.profile(examples, rules.features) | {"predictions": predictions}
