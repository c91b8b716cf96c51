import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from mlgitops.core.errors import Mistake
from mlgitops.training import export

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fallback(make, serving, tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("fallback") / "project", "binary", form="sklearn")
    with serving(folder) as running:
        yield running


def test_the_folder_is_complete(fallback):
    names = {path.name for path in fallback.folder.iterdir()}
    assert names == {"model.joblib", "ml", "signature.json", "reference.json"}


def test_it_answers_as_ml_answers(fallback, expected, records):
    wanted = expected(fallback.folder, records)
    assert fallback.predictions({"inputs": records}) == wanted.values.tolist()
    asked = {"inputs": records, "params": {"output": "probabilities"}}
    np.testing.assert_allclose(fallback.predictions(asked), wanted.probabilities, atol=1e-6)
    status, _, answer = fallback.ask("/invocations", {"inputs": [records[0] | {"count": 11}]})
    assert (status, answer["message"]) == (400, "count: is outside 0 to 10 in row 1 (11)")


def test_rows_of_concurrent_requests_come_back_to_their_own(fallback, expected, records):
    asked = [records[k % 5 : k % 5 + 2] for k in range(40)]
    with ThreadPoolExecutor(8) as clients:
        found = list(clients.map(lambda rows: fallback.predictions({"inputs": rows}), asked))
    assert found == [expected(fallback.folder, rows).values.tolist() for rows in asked]


def test_features_travel_with_the_model(tmp_path, code):
    """Made by a package with a feature of its own; tried where there is only the server."""
    shutil.copytree(SOURCE / "ml", tmp_path / "src/ml")
    file = tmp_path / "src/ml/features.py"
    made = 'def twice(columns, _):\n    return columns["count"] * 2\n\n'
    made += "FEATURES: list[Feature] = [twice]"
    file.write_text(file.read_text("utf-8").replace("FEATURES: list[Feature] = []", made), "utf-8")
    own = os.environ | {"PYTHONPATH": f"{tmp_path / 'src'}{os.pathsep}{Path(__file__).parent}"}
    write = (
        "from pathlib import Path; import conftest\n"
        f"conftest.exported(Path({str(tmp_path / 'p')!r}), 'binary', 'sklearn')"
    )
    subprocess.run([sys.executable, "-c", write], env=own, check=True, timeout=60)
    ask = (
        "import sys; from pathlib import Path; from serve import model\n"
        f"folder = Path({str(tmp_path / 'p/artifacts/model')!r})\n"
        "fitted = model.load(folder, model.read(folder))\n"
        "print(fitted.pipeline[0].kw_args['features'][0].__code__.co_filename)"
    )
    said = subprocess.run(
        [sys.executable, "-c", ask], env=os.environ | {"PYTHONPATH": str(code)},
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert str(tmp_path / "p/artifacts/model/features.py") in said


def test_features_that_need_the_project_cannot_travel(tmp_path):
    file = tmp_path / "features.py"
    file.write_text("from ml import params\n", encoding="utf-8")
    with pytest.raises(Mistake, match=r"features.py, line 1: .* cannot import from ml"):
        export.travelling(file)
