"""Write the model in the form that is served."""

import ast
import json
from pathlib import Path
from typing import Annotated

import joblib
import numpy as np
import pandas as pd
from pydantic import Field, PositiveFloat, PositiveInt
from sklearn.pipeline import Pipeline

from mlgitops.core import config
from mlgitops.data import profile, schema
from mlgitops.training import exported_model, features
from mlgitops.core.errors import Mistake
from mlgitops.training.features import inputs
from mlgitops.core.files import replacing, write_json

Share = Annotated[float, Field(ge=0, le=1)]


class Export(config.Section):
    """What is written, and how far it may differ from scikit-learn, as shares of `rows` rows.

    What the server does with categories and numbers that schema.yaml does not allow.
    """

    format: exported_model.Format
    tolerance: PositiveFloat
    max_differing: Share
    max_flipped: Share
    rows: PositiveInt
    unknown_category: exported_model.Policy = "refuse"
    out_of_range: exported_model.Policy = "refuse"


def signature(
    examples: pd.DataFrame, labels: list[int | str] | None, rules: schema.Schema, p: Export
) -> exported_model.Signature:
    """What serving needs to know: inputs, outputs, labels, three rows to try."""
    given = []
    for name, column in rules.features.items():
        seen = None
        if column.type != "category":
            known = examples[name].dropna().astype("float64")
            seen = (known.min(), known.max()) if len(known) else None
        given.append(exported_model.Input(name=name, **dict(column), seen=seen))
    kinds: tuple[exported_model.Kind, ...] = ("value",) if labels is None else ("label", "probabilities")
    return exported_model.Signature(
        version=1,
        format=p.format,
        task=rules.task,
        inputs=tuple(given),
        outputs=tuple(exported_model.Output(name=kind, type=kind) for kind in kinds),
        labels=None if labels is None else tuple(labels),
        examples=tuple(
            json.loads(examples[list(rules.features)].head(3).to_json(orient="records"))
        ),
        unknown_category=p.unknown_category,
        out_of_range=p.out_of_range,
    )


def parity(
    fitted: Pipeline, exported: exported_model.Runtime, table: pd.DataFrame, p: Export
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


def write(fitted: Pipeline, rules: schema.Schema, p: Export, folder: Path) -> None:
    """model.onnx, or model.joblib and the features that it calls by name, in the folder."""
    file = folder / exported_model.FILES[p.format]
    if p.format == "sklearn":
        joblib.dump(fitted, file)
        (folder / "features.py").write_text(travelling(Path(features.__file__)), encoding="utf-8")
        return
    from mlgitops.training.convert import convert

    try:
        file.write_bytes(convert(fitted, rules.features).SerializeToString(deterministic=True))
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        raise Mistake(
            f"{type(fitted[-1]).__name__} cannot be written as ONNX: set export.format: sklearn in "
            f"params.yaml, or choose another estimator ({' '.join(str(error).split())[:200]})"
        ) from error


def travelling(source: Path) -> str:
    """The text of features.py, which the server runs where the rest of `ml` is not."""
    text = source.read_text("utf-8")
    for node in ast.parse(text).body:
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "ml"]
        if any(name.partition(".")[0] == "ml" for name in names):
            raise Mistake(
                f"{source.name}, line {node.lineno}: with export.format: sklearn the features "
                "travel with the model, so they cannot import from ml"
            )
    return text


def export(fitted: Path, examples: Path, folder: Path, agreement: Path) -> None:
    """Write the model in the form that is served; refuse one that answers otherwise."""
    rules, p = schema.load(), config.load(Export)
    pipeline, rows = joblib.load(fitted), pd.read_parquet(examples)
    labels = None if rules.task == "regression" else pipeline.classes_.tolist()
    with replacing(folder) as part:
        part.mkdir()
        write(pipeline, rules, p, part)
        write_json(
            signature(rows, labels, rules, p).model_dump(mode="json"), part / "signature.json"
        )
        table = inputs(rows, rules.features)
        exported = exported_model.load(part).predict
        found = parity(pipeline, exported, table.head(p.rows), p)
        for kind, limit in (("differing", p.max_differing), ("flipped", p.max_flipped)):
            if found[kind] > limit:
                raise Mistake(
                    f"{found[kind]:.2%} of {len(table.head(p.rows))} rows are {kind} between "
                    f"scikit-learn and {p.format}: more than export.max_{kind}, {limit:.2%}. "
                    "Choose another estimator, or set export.format: sklearn in params.yaml"
                )
        answer = exported(table.iloc[:: max(1, len(table) // p.rows)])
        write_json(reference(rows, answer, rules, labels), part / "reference.json")
    write_json(found, agreement)
    print(f"{folder}: {p.format}, {found['differing']:.2%} of the rows differ from scikit-learn")


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
