"""MLflow's scoring protocol: what `mlflow models serve` takes and answers at /invocations."""

from typing import Any
from urllib.parse import parse_qs

import numpy as np
import orjson

from mlgitops.serving.columns import Given
from mlgitops.serving.contract import Answer, Signature
from mlgitops.serving.documents import read_object
from mlgitops.serving.errors import Refusal
from mlgitops.serving.forms import from_csv, from_json
from mlgitops.serving.protocols import Question, Reply, Request, Served

OUTPUTS = ("label", "probabilities", "both")
UTF8 = ("", "charset=utf-8", "charset=utf8")
CODES = {413: "REQUEST_LIMIT_EXCEEDED", 503: "TEMPORARILY_UNAVAILABLE", 500: "INTERNAL_ERROR"}


def decode(served: Served, request: Request) -> Question:
    """The question of a request, by its Content-Type; a Refusal says what is wrong.

    What is asked for stands in `params` of the JSON, or in the query of the address.
    """
    media = request.headers.get(b"content-type", b"").decode("latin-1")
    kind, _, rest = media.lower().partition(";")
    if rest and rest.strip().replace('"', "") not in UTF8:
        raise Refusal("media_type", f"only UTF-8 is read, not {media[:80]!r}", 415)
    query = parse_qs(request.query.decode("latin-1")) if request.query else {}
    asked = query.get("output", [None])[-1]
    most = served.settings.max_rows
    given: Given
    if kind.strip() == "application/json":
        found = read_object(request.body)
        output = choose_output(params(found).get("output", asked), served.signature)
        given, rows = from_json(found, served.columns, most)
    elif kind.strip() == "text/csv":
        output = choose_output(asked, served.signature)
        given, rows = from_csv(request.body, served.columns, most)
    else:
        what = f"the body must be application/json or text/csv, not {media[:80]!r}"
        raise Refusal("media_type", what, 415)
    likely = output in ("probabilities", "both")
    return Question(served.columns.table(given), rows, likely, output)


def params(found: dict[str, Any]) -> dict[str, Any]:
    """`params` of a body; those that nobody knows are ignored, as by MLflow."""
    given = found.get("params")
    if given is not None and type(given) is not dict:
        raise Refusal("bad_form", "params must be an object")
    return given or {}


def choose_output(asked: Any, signature: Signature) -> str:
    """Which output is meant: the label, or the value of a regression, unless said otherwise."""
    allowed = ("value",) if signature.labels is None else OUTPUTS
    if asked is None:
        return allowed[0]
    if asked not in allowed:
        raise Refusal("bad_form", f"output must be {' or '.join(allowed)}, not {asked!r:.40}")
    return str(asked)


def encode(served: Served, found: Answer, question: Question) -> Reply:
    """{"predictions": [...]}: a list of labels or values, of probabilities, or of both."""
    predictions: Any = found.values
    if predictions.dtype == object:
        predictions = predictions.tolist()
    if question.form == "probabilities":
        predictions = probabilities(found)
    elif question.form == "both":
        names = [str(label) for label in served.signature.labels or ()]
        rows = zip(found.values.tolist(), probabilities(found), strict=True)
        predictions = [
            {"label": label, "probabilities": dict(zip(names, row, strict=True))}
            for label, row in rows
        ]
    body = orjson.dumps({"predictions": predictions}, option=orjson.OPT_SERIALIZE_NUMPY)
    return Reply(body)


def probabilities(found: Answer) -> np.ndarray:
    """The probabilities; a Refusal if the model has none."""
    if found.probabilities is None:
        raise Refusal("bad_form", "this model gives no probabilities")
    return np.ascontiguousarray(found.probabilities)


def problem(refusal: Refusal) -> bytes:
    """An error in MLflow's form."""
    code = CODES.get(refusal.status, "BAD_REQUEST")
    return orjson.dumps({"error_code": code, "message": refusal.message})
