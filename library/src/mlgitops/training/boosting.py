"""LightGBM, XGBoost and CatBoost as scikit-learn estimators that can be written as ONNX.

Their packages are the project's to add. onnxmltools converts the first two; CatBoost writes itself.
"""

from typing import Any

from sklearn.base import BaseEstimator, is_classifier

from mlgitops.serving.labels import NumberedLabels

# The libraries whose classifiers take only 0, 1, 2, … as labels, or write only those as ONNX.
NUMBERED = ("xgboost", "catboost")
CLASSIFIER_OPTIONS = {"nocl": [True, False], "zipmap": [True, False, "columns"]}


def package(estimator: object) -> str:
    """The name of the library that an estimator comes from."""
    return type(estimator).__module__.partition(".")[0]


def adapt(estimator: BaseEstimator) -> BaseEstimator:
    """The estimator, with any labels where its library takes only numbers."""
    if package(estimator) in NUMBERED and is_classifier(estimator):
        return NumberedLabels(estimator)
    return estimator


def register(estimator: BaseEstimator) -> None:
    """Tell skl2onnx how the estimator is written, if it is of one of the libraries here."""
    if isinstance(estimator, NumberedLabels):
        register_numbered()
        estimator = estimator.estimator
    converters = {
        "lightgbm": register_lightgbm,
        "xgboost": register_xgboost,
        "catboost": register_catboost,
    }
    if package(estimator) in converters:
        converters[package(estimator)]()


def register_lightgbm() -> None:
    """LightGBM's two estimators, by onnxmltools."""
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters import LightGbm

    convert = LightGbm.convert_lightgbm
    add("LightGbmLGBMClassifier", LGBMClassifier, convert, CLASSIFIER_OPTIONS)
    add("LightGbmLGBMRegressor", LGBMRegressor, convert, {"split": None})


def register_xgboost() -> None:
    """XGBoost's two estimators, by onnxmltools."""
    from onnxmltools.convert.xgboost.operator_converters import XGBoost
    from xgboost import XGBClassifier, XGBRegressor

    convert = XGBoost.convert_xgboost
    add("XGBoostXGBClassifier", XGBClassifier, convert, CLASSIFIER_OPTIONS)
    add("XGBoostXGBRegressor", XGBRegressor, convert, None)


def register_catboost() -> None:
    """CatBoost's two estimators, which write their trees themselves."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    add("CatBoostCatBoostClassifier", CatBoostClassifier, convert_catboost, CLASSIFIER_OPTIONS)
    add("CatBoostCatBoostRegressor", CatBoostRegressor, convert_catboost, None)


def register_numbered() -> None:
    """The wrapper that numbers labels."""
    add("MlgitopsNumberedLabels", NumberedLabels, convert_numbered, CLASSIFIER_OPTIONS)


def add(alias: str, kind: type, convert: Any, options: dict[str, Any] | None) -> None:
    """Give skl2onnx a converter for a class of estimators; again does nothing."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator

    shapes = (
        shape_calculator.calculate_linear_classifier_output_shapes
        if options is CLASSIFIER_OPTIONS
        else shape_calculator.calculate_linear_regressor_output_shapes
    )
    update_registered_converter(kind, alias, shapes, convert, options=options)


def convert_catboost(scope: Any, operator: Any, container: Any) -> None:
    """Add the node of CatBoost's own export between the input and the outputs of `operator`."""
    from catboost.utils import convert_to_onnx_object
    from onnx import helper

    trees = convert_to_onnx_object(operator.raw_operator).graph.node[0]
    container.add_node(
        trees.op_type,
        operator.inputs[0].full_name,
        [output.full_name for output in operator.outputs],
        op_domain="ai.onnx.ml",
        op_version=1,
        name=scope.get_unique_operator_name("CatBoost"),
        **{one.name: helper.get_attribute_value(one) for one in trees.attribute},
    )


def convert_numbered(scope: Any, operator: Any, container: Any) -> None:
    """Add the classifier inside, then its likeliest number as the label of that number."""
    from onnx import TensorProto
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    wrapper, (label, probabilities) = operator.raw_operator, operator.outputs
    inside = scope.declare_local_operator(
        sklearn_operator_name_map[type(wrapper.estimator_)], wrapper.estimator_
    )
    inside.inputs = operator.inputs
    number = scope.declare_local_variable("number", Int64TensorType())
    chances = scope.declare_local_variable("chances", FloatTensorType())
    inside.outputs.extend([number, chances])
    container.add_node("Identity", chances.full_name, probabilities.full_name)
    text = wrapper.classes_.dtype.kind not in "iub"
    labels = [str(one).encode() if text else int(one) for one in wrapper.classes_]
    kind = TensorProto.STRING if text else TensorProto.INT64
    names = scope.get_unique_variable_name("labels")
    container.add_initializer(names, kind, [len(labels)], labels)
    row = scope.get_unique_variable_name("row")
    container.add_node(
        "ArrayFeatureExtractor", [names, number.full_name], row, op_domain="ai.onnx.ml"
    )
    shape = scope.get_unique_variable_name("shape")
    container.add_initializer(shape, TensorProto.INT64, [1], [-1])
    container.add_node("Reshape", [row, shape], label.full_name)
