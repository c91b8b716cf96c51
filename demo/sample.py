"""Remake the sample from the Palmer penguins (CC0), as the package palmerpenguins carries them.

The first two seasons go into the template as data always is: a pointer in data/, an object in
store/. The third goes to demo/penguins-2009.csv, the data that arrives later.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import palmerpenguins

DEMO = Path(__file__).parent
PROJECT = DEMO.parent / "{{cookiecutter.project_slug}}"
LIBRARY = DEMO.parent / "library/src"
LATER = DEMO / "penguins-2009.csv"


def main() -> None:
    """Write the pointer, the object, the schema and the later season."""
    table = palmerpenguins.load_penguins()
    table[table["year"] == 2009].to_csv(LATER, index=False)
    with TemporaryDirectory() as folder:
        work = Path(folder) / "project"
        shutil.copytree(PROJECT, work, ignore=shutil.ignore_patterns("store", "vendor"))
        source = Path(folder) / "penguins.csv"
        table[table["year"] < 2009].to_csv(source, index=False)
        subprocess.run(["git", "init", "--quiet", str(work)], check=True)
        subprocess.run(
            [sys.executable, "-m", "mlgitops", "data", f"SOURCE={source}",
             "TARGET=species", "TIME=year", "RESET=1"],
            cwd=work, check=True, env=os.environ | {"PYTHONPATH": str(LIBRARY)},
        )  # fmt: skip
        shutil.rmtree(PROJECT / "store", ignore_errors=True)
        shutil.copytree(work / "store", PROJECT / "store")
        for name in ("data/raw.parquet.dvc", "schema.yaml"):
            shutil.copyfile(work / name, PROJECT / name)


if __name__ == "__main__":
    main()
