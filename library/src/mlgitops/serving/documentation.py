"""How predictions are asked for, as OpenAPI, with examples that work."""

from typing import Any

from mlgitops.serving import open_inference, tensors
from mlgitops.serving.contract import Input, Signature
from mlgitops.serving.settings import Settings

KINDS = {"number": "number", "integer": "integer", "boolean": "boolean", "category": "string"}
ERRORS = {
    "400": "What is wrong, in which column, in which row.",
    "408": "The body did not arrive in time.",
    "413": "Too many bytes or rows.",
    "415": "Another Content-Encoding than gzip or deflate, or another media type.",
    "503": "Busy: come back after Retry-After.",
}


def paths(signature: Signature, settings: Settings) -> dict[str, Any]:
    """The addresses that predict."""
    infer = f"/v2/models/{settings.name}/infer"
    return {
        "/invocations": {"post": invocations_operation(signature)},
        infer: {"post": infer_operation(signature)},
    }


def values(column: Input, signature: Signature) -> dict[str, Any]:
    """What one value of a column may be; what the model's policy accepts is no rule."""
    kinds = [KINDS[column.type], *["null"] * column.nullable]
    found: dict[str, Any] = {"type": kinds if column.nullable else kinds[0]}
    if column.range is not None and signature.out_of_range == "refuse":
        found |= {"minimum": column.range[0], "maximum": column.range[1]}
    if column.categories is not None and signature.unknown_category == "refuse":
        found["enum"] = [*column.categories, *[None] * column.nullable]
    return found


def object_of(columns: dict[str, Any], more: tuple[str, ...]) -> dict[str, Any]:
    """An object of just these columns; it may have those of `more`, which are not looked at."""
    return {
        "type": "object",
        "properties": columns | {name: {} for name in more},
        "required": list(columns),
        "additionalProperties": False,
    }


def forms(signature: Signature) -> dict[str, Any]:
    """What each form of MLflow's protocol may hold."""
    record, more = {one.name: values(one, signature) for one in signature.inputs}, signature.ignored
    lists = {
        name: {"type": "array", "minItems": 1, "items": value} for name, value in record.items()
    }
    rows = {"type": "array", "minItems": 1, "items": object_of(record, more)}
    table = {"anyOf": [rows, object_of(lists, more), object_of(record, more)]}
    split = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {
            "columns": {"type": "array", "items": {"enum": [*record, *more]}},
            "data": {"type": "array", "minItems": 1, "items": {"type": "array"}},
        },
    }
    return {
        "dataframe_split": split,
        "dataframe_records": rows,
        "inputs": table,
        "instances": table,
    }


def examples(signature: Signature) -> dict[str, Any]:
    """The signature's rows, in each form of MLflow's protocol."""
    names, rows = [one.name for one in signature.inputs], list(signature.examples)
    split = {"columns": names, "data": [[row.get(name) for name in names] for row in rows]}
    columns = {name: [row.get(name) for row in rows] for name in names}
    tables = {
        "dataframe_split": split,
        "dataframe_records": rows,
        "inputs": columns,
        "instances": rows,
    }
    found = {form: {form: data} for form, data in tables.items()}
    if signature.labels is not None:
        found["probabilities"] = {"inputs": columns, "params": {"output": "probabilities"}}
    return {name: {"value": body} for name, body in found.items()}


def csv(signature: Signature) -> str:
    """The signature's rows as CSV."""
    names = [one.name for one in signature.inputs]
    lines = [[cell(row.get(name)) for name in names] for row in signature.examples]
    return "".join(",".join(line) + "\n" for line in [[cell(name) for name in names], *lines])


def cell(value: Any) -> str:
    """A value of a CSV."""
    text = "" if value is None else str(value)
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if quoted != text or set(text) & set(',\r\n"') else text


def invocations_operation(signature: Signature) -> dict[str, Any]:
    """POST /invocations."""
    known = [
        {"type": "object", "required": [form], "properties": {form: data}}
        for form, data in forms(signature).items()
    ]
    taken = {
        "application/json": {"schema": {"oneOf": known}, "examples": examples(signature)},
        "text/csv": {"schema": {"type": "string"}, "example": csv(signature)},
    }
    output = {"name": "output", "in": "query", "schema": {"type": "string"}}
    return {
        "tags": ["prediction"],
        "summary": "Predict, by MLflow's protocol",
        "description": "Labels or values; `output` asks for `probabilities` or `both` instead. "
        + classes(signature),
        "parameters": [] if signature.labels is None else [output],
        "requestBody": {"required": True, "content": taken},
        "responses": responses({"predictions": {"type": "array"}}),
    }


def infer_operation(signature: Signature) -> dict[str, Any]:
    """POST /v2/models/<name>/infer."""
    inputs = [
        {
            "name": one.name,
            "datatype": "FP64" if one.type == "integer" else open_inference.own(one),
            "shape": [1],
            "data": [signature.examples[0][one.name]],
        }
        for one in signature.inputs
        if signature.examples and signature.examples[0].get(one.name) is not None
    ]
    tensor = {"type": "object", "required": ["name", "datatype", "shape"]}
    taken = {"schema": tables(signature), "example": {"inputs": inputs}}
    return {
        "tags": ["V2"],
        "summary": "Predict, by the Open Inference Protocol",
        "description": "One tensor per column. " + classes(signature),
        "requestBody": {"required": True, "content": {"application/json": taken}},
        "responses": responses({"outputs": {"type": "array", "items": tensor}}),
    }


def tables(signature: Signature) -> dict[str, Any]:
    """What a request of V2 may hold: a tensor of each input."""
    forms = [form for one in signature.inputs for form in tensor_forms(one, signature)]
    others = [tensor_to_ignore(name) for name in signature.ignored]
    inputs = {
        "type": "array",
        "minItems": len(signature.inputs),
        "items": {"anyOf": forms + others},
    }
    return {"type": "object", "required": ["inputs"], "properties": {"inputs": inputs}}


def tensor_forms(column: Input, signature: Signature) -> list[dict[str, Any]]:
    """The tensors of an input: null is for a missing value, which a whole number cannot be."""
    value, datatypes = values(column, signature), tensors.TAKEN[column.type]
    whole = sorted(datatypes & tensors.WHOLE.keys())
    found = [tensor_form(column.name, sorted(datatypes - tensors.WHOLE.keys()), value)]
    if whole:
        found.append(tensor_form(column.name, whole, value | {"type": "integer"}))
    return found


def tensor_form(name: str, datatypes: list[str], value: dict[str, Any]) -> dict[str, Any]:
    """A tensor: its values in JSON, flat or one a list, or as binary data that follows."""
    row = {"type": "array", "minItems": 1, "maxItems": 1, "items": value}
    rows = {"type": "integer", "minimum": 1}
    shape = {"type": "array", "minItems": 1, "maxItems": 2, "items": rows}
    lists = [{"type": "array", "minItems": 1, "items": one} for one in (value, row)]
    properties = {
        "name": {"const": name},
        "datatype": {"enum": datatypes},
        "shape": shape,
        "data": {"anyOf": lists},
        "parameters": {"type": "object"},
    }
    needed = [{"required": ["data"]}, {"required": ["parameters"]}]
    required = ["name", "datatype", "shape"]
    return {"type": "object", "required": required, "properties": properties, "anyOf": needed}


def tensor_to_ignore(name: str) -> dict[str, Any]:
    """A column of the table that is no input: it is not looked at."""
    return {
        "type": "object",
        "required": ["name", "shape"],
        "properties": {"name": {"const": name}},
    }


def classes(signature: Signature) -> str:
    """The order of the probabilities."""
    if signature.labels is None:
        return ""
    return f"Probabilities are in the order {', '.join(map(str, signature.labels))}."


def responses(properties: dict[str, Any]) -> dict[str, Any]:
    """What may come back."""
    good = {"schema": {"type": "object", "properties": properties}}
    errors = {status: {"description": text} for status, text in ERRORS.items()}
    return {"200": {"description": "Predicted.", "content": {"application/json": good}}} | errors
