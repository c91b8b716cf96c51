"""What is refused before a model is loaded: files beside it, other operators, other test rows."""

import os
from pathlib import Path

import pytest
from mlgitops.ci.examine import REPORT, VERDICT, check_model, check_test_rows, examine
from mlgitops.core import paths
from mlgitops.core.errors import UserError


def onnx_model(path, domain="", external=False):
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    value = numpy_helper.from_array(np.zeros(3, "float32"), "w")
    if external:
        value.data_location = TensorProto.EXTERNAL
        value.external_data.add(key="location", value="../../../etc/passwd")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    node = helper.make_node("Add", ["x", "w"], ["y"], domain=domain)
    graph = helper.make_graph([node], "g", [x], [y], [value])
    imports = [helper.make_opsetid(domain, 1 if domain else 17)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(helper.make_model(graph, opset_imports=imports).SerializeToString())


@pytest.mark.parametrize(
    ("given", "said"),
    [({"external": True}, "keeps data in other files"), ({"domain": "evil"}, "not ONNX's own")],
)
def test_a_model_that_reaches_outside_is_not_loaded(tmp_path, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    onnx_model(Path("artifacts/model/model.onnx"), **given)
    with pytest.raises(UserError, match=said):
        check_model()


def test_a_plain_model_is_fine_and_what_is_none_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("artifacts/model/model.onnx")
    onnx_model(path)
    check_model()
    path.write_bytes(os.urandom(100))
    with pytest.raises(UserError, match="is not an ONNX model"):
        check_model()


def test_without_the_raw_table_the_test_rows_cannot_be_checked(workspace):
    paths.RAW.unlink()
    with pytest.raises(UserError, match="was not handed over"):
        check_test_rows()


def test_a_verdict_is_written_and_a_report_only_with_the_other_verdict(workspace, tmp_path):
    examine("main")
    assert VERDICT.exists()
    assert not REPORT.exists()
    examine("main", tmp_path / "none.json", "it is stale")
    text = REPORT.read_text("utf-8")
    assert "❌ Refused" in text
    assert "it is stale" in text
