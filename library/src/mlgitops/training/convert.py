"""A fitted pipeline as ONNX, with the features traced into it."""

from collections.abc import Mapping
from typing import Any

from onnx import ModelProto
from onnx.compose import add_prefix
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from mlgitops.data.schema import Column
from mlgitops.serving.features import derive, finite
from mlgitops.training import boosting
from mlgitops.training.features import Columns, Features, blame_feature
from mlgitops.training.preprocessing import features_of

OPSET = {"": 18, "ai.onnx.ml": 3}


def convert(fitted: Pipeline, columns: Mapping[str, Column]) -> ModelProto:
    """The ONNX model: one input of shape (rows, 1) a feature column, the outputs of the estimator.

    Raises what skl2onnx raises where it has no converter for a step.
    """
    features = features_of(fitted)
    made = [feature.__name__ for feature in features]
    rest = without_features(fitted, {name: columns.get(name) for name in [*columns, *made]})
    return canonical(with_features(rest, features, columns) if features else rest)


def without_features(fitted: Pipeline, columns: Mapping[str, Column | None]) -> ModelProto:
    """All steps but the features, from the columns of the table and what is made from them."""
    types = [
        (name, StringTensorType([None, 1]) if is_text(column) else FloatTensorType([None, 1]))
        for name, column in columns.items()
    ]
    options = {"zipmap": False} if is_classifier(fitted) else None
    boosting.register(fitted[-1])
    return restore_names(
        to_onnx(after_features(fitted), initial_types=types, options=options, target_opset=OPSET),
        list(columns),
    )


def after_features(fitted: Pipeline) -> Pipeline:
    """The steps that skl2onnx converts: all but the one that makes the features."""
    first = fitted[0]
    return fitted[1:] if isinstance(first, FunctionTransformer) and first.func is derive else fitted


def restore_names(model: ModelProto, columns: list[str]) -> ModelProto:
    """The model with the columns' own names for its inputs, and fixed ones for its outputs.

    skl2onnx makes identifiers of the names: "bill length" and "bill_length" would be mixed up.
    """
    renamed: ModelProto = add_prefix(model, "inner/")
    graph = renamed.graph
    kinds = ["value"] if len(graph.output) == 1 else ["label", "probabilities"]
    outputs = [free_name(kind, columns) for kind in kinds]
    names = dict(zip((one.name for one in graph.input), columns, strict=True))
    names |= dict(zip((one.name for one in graph.output), outputs, strict=True))
    for one in [*graph.input, *graph.output]:
        one.name = names[one.name]
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    return renamed


def free_name(name: str, taken: list[str]) -> str:
    """The name, with as many underscores after it as make it another than those taken."""
    while name in taken:
        name += "_"
    return name


def with_features(
    rest: ModelProto, features: Features, columns: Mapping[str, Column]
) -> ModelProto:
    """The model with the features traced in front of it, so that its inputs are plain columns."""
    import spox

    inputs, made = trace_features(features, columns)
    arrays = inputs | made
    outputs = spox.inline(canonical(rest))(
        **{one.name: arrays[one.name] for one in rest.graph.input}
    )
    model: ModelProto = spox.build(inputs, dict(outputs))
    return model


def features_alone(features: Features, columns: Mapping[str, Column]) -> ModelProto:
    """What `with_features` traces, as a model of its own: an output of shape (rows, 1) each."""
    import spox

    inputs, made = trace_features(features, columns)
    model: ModelProto = spox.build(inputs, made)
    return model


def trace_features(
    features: Features, columns: Mapping[str, Column]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs of the model, and what the features make of them, as variables of spox."""
    import ndonnx  # Half a second, and only for projects that made a feature.

    inputs = {
        name: ndonnx.argument(
            shape=("rows", 1), dtype=ndonnx.utf8 if is_text(column) else ndonnx.float32
        )
        for name, column in columns.items()
    }
    made = {}
    for feature in features:
        with blame_feature(feature, "cannot be exported"):
            made[feature.__name__] = finite(feature(Columns(inputs, feature), ndonnx), ndonnx)
    return spox_variables(inputs), spox_variables(made)


def spox_variables(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of spox that arrays of ndonnx stand for."""
    return {name: array.unwrap_spox() for name, array in arrays.items()}


def is_text(column: Column | None) -> bool:
    """Whether the model takes the column as text."""
    return column is not None and column.type == "category"


def canonical(model: ModelProto) -> ModelProto:
    """The model with its opsets in order: skl2onnx writes them in the order of a set."""
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return model
