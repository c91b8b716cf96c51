"""What the sample's pipeline makes with the versions of constraints.txt: `make golden` writes it.

Parquet and ONNX files carry the versions of what wrote them, so the bytes hold for those only;
the predictions hold for any.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from baked import ROOT, bake  # noqa: E402

GOLDEN = HERE / "golden.json"
CONSTRAINTS = HERE / "constraints.txt"
# Run in a project whose data is there: every stage, then what came out.
PROGRAM = """
import json
from pathlib import Path
import pandas as pd
from mlgitops.core import paths, pipeline_version
from mlgitops.data import schema, validate
from mlgitops.git import repository
from mlgitops.training import evaluate, exported_model, export, prepare, train
from mlgitops.training.features import inputs
validate.validate()
prepare.prepare()
train.train()
export.export()
evaluate.evaluate()
made = (paths.DATA, paths.TRAIN, paths.TEST, paths.MODEL, paths.PARITY, paths.METRICS, paths.SLICES,
        paths.PLOTS)
model, rows = exported_model.load(), pd.read_parquet(paths.TEST).iloc[::60]
answer = model.predict(inputs(rows, model.signature.columns))
print("golden", json.dumps({
    "pipeline": pipeline_version.PIPELINE,
    "outputs": {path.as_posix(): repository.content(path) for path in made},
    "labels": answer.values.tolist(),
    "probabilities": [[round(float(one), 5) for one in row] for row in answer.probabilities],
}))
"""


def project(folder: Path) -> Path:
    """The sample's project with its data, as `dvc pull` brings it."""
    made = bake(folder)
    pointer = (made / "data/raw.parquet.dvc").read_text("utf-8")
    md5 = pointer.partition("md5: ")[2].split()[0]
    stored = made / "store/files/md5" / md5[:2] / md5[2:]
    (made / "data/raw.parquet").write_bytes(stored.read_bytes())
    return made


def environment(folder: Path) -> str:
    """A Python with the library and the versions of constraints.txt."""
    python = folder / "bin/python"

    for command in (
        ["venv", "--quiet", str(folder)],
        ["pip", "install", "--quiet", "--python", str(python), "--constraint", str(CONSTRAINTS),
         "--no-sources", "--editable", str(ROOT / "library") + "[train]"],
    ):  # fmt: skip
        done = subprocess.run(["uv", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return str(python)


def outcome(python: str, made: Path) -> dict:
    """What the stages make of the project with a Python."""
    source = os.pathsep.join((str(made / "vendor/mlgitops/src"), str(made / "src")))
    done = subprocess.run(
        [python, "-c", PROGRAM], cwd=made, env=os.environ | {"PYTHONPATH": source},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.rpartition("\ngolden ")[2])


def main() -> None:
    """Write golden.json again."""
    with TemporaryDirectory() as folder:
        found = outcome(environment(Path(folder, "venv")), project(Path(folder)))
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in found.items()]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
