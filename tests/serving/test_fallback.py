import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from mlgitops.core.errors import UserError
from tables import CODE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fallback(make, serving, tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("fallback") / "project", "binary", form="sklearn")
    with serving(folder) as running:
        yield running


def test_the_folder_is_complete(fallback):
    names = {path.name for path in fallback.folder.iterdir()}
    assert names == {"model.joblib", "ml", "signature.json", "reference.json"}


def test_it_answers_as_score_answers(fallback, score_of, records):
    wanted = score_of(fallback.folder, records)
    assert fallback.predictions({"inputs": records}) == wanted.values.tolist()
    asked = {"inputs": records, "params": {"output": "probabilities"}}
    np.testing.assert_allclose(fallback.predictions(asked), wanted.probabilities, atol=1e-6)
    status, _, answer = fallback.ask("/invocations", {"inputs": [records[0] | {"count": 11}]})
    assert (status, answer["message"]) == (400, "count: is outside 0 to 10 in row 1 (11)")


def test_rows_of_concurrent_requests_come_back_to_their_own(fallback, score_of, records):
    asked = [records[k % 5 : k % 5 + 2] for k in range(40)]
    with ThreadPoolExecutor(8) as clients:
        found = list(clients.map(lambda rows: fallback.predictions({"inputs": rows}), asked))
    assert found == [score_of(fallback.folder, rows).values.tolist() for rows in asked]


MADE = """
def twice(columns, _):
    return columns["count"] * NUMBER


FEATURES = (twice,)
"""
ASK = """
import json, sys
from pathlib import Path
from mlgitops.serving import contract, model
folder, columns = Path(sys.argv[1]), json.loads(sys.argv[2])
signature = contract.read(folder)
fitted = model.load(folder, signature)
import numpy, mlgitops
table = {
    one.name: numpy.array(
        [["" if value is None else value] for value in columns[one.name]], dtype="object"
    ) if one.type == "category" else numpy.array(
        [[float("nan") if value is None else value] for value in columns[one.name]], dtype="float32"
    ) for one in signature.inputs
}
answer = fitted(table, likely=True)
used = fitted.pipeline[0].kw_args["features"][0]
print(json.dumps({
    "from": mlgitops.__file__, "features": used.__code__.co_filename,
    "values": answer.values.tolist(), "probabilities": answer.probabilities.tolist(),
}))
"""


def package(project, **files):
    """The template's src/ml in a folder, with other contents of some modules."""
    shutil.copytree(CODE, project / "src/ml", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in files.items():
        (project / f"src/ml/{name}.py").write_text(text, encoding="utf-8")


def alone(code, folder, rows):
    """What the folder's model answers where there is only the server, and from which files."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(folder), json.dumps(columns)],
        env=os.environ | {"PYTHONPATH": str(code)}, cwd=code,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["from"] == str(code / "mlgitops/__init__.py")
    return answer


def test_all_of_src_ml_travels_with_the_model(make, score_of, records, tmp_path, code):
    """Made by a package with a feature of its own and a module that it imports."""
    project = tmp_path / "project"
    package(project, features=f"from ml.numbers import NUMBER\n{MADE}", numbers="NUMBER = 2\n")
    folder = make(project, "binary", "sklearn")
    wanted = score_of(folder, records)
    shutil.rmtree(project / "src")
    answer = alone(code, folder, records)
    assert answer["features"] == str(folder / "ml/features.py")
    assert answer["values"] == wanted.values.tolist()
    np.testing.assert_allclose(answer["probabilities"], wanted.probabilities, atol=1e-6)


def test_a_model_from_before_there_was_a_library_is_served(code):
    champion = Path(__file__).parents[1] / "training/old_champion"
    known = json.loads((champion / "expected.json").read_text("utf-8"))
    answer = alone(code, champion / "model", known["rows"])
    assert answer["features"] == str(champion / "model/features.py")
    assert answer["values"] == known["values"]
    np.testing.assert_allclose(answer["probabilities"], known["probabilities"], atol=1e-6)


def test_features_that_need_the_library_cannot_travel(make, tmp_path):
    package(tmp_path / "p", features=f"from mlgitops.core import config\nNUMBER = 2\n{MADE}")
    told = (
        r"src/ml travels with the model.* packages of the server only, nothing else of mlgitops"
        r".*it imports mlgitops.core, which the server does not have"
    )
    with pytest.raises(UserError, match=told):
        make(tmp_path / "p", "binary", "sklearn")
    assert not (tmp_path / "p/artifacts/model").exists()
