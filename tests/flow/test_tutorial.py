"""docs/tutorial.md, typed where no image can be built: all but its first and its last section.

The first is what `ready` does, and tables of others have their tests in test_project.py.
"""

import os
import re
from pathlib import Path

from baked import ROOT, run
from workflows import AUTHOR

ENDLESS = ("make serve", "make ui")  # until a person ends them; others test them


def sections() -> list[str]:
    """The commands of each section, without the block that needs Docker and a registry."""
    text = (ROOT / "docs/tutorial.md").read_text("utf-8")
    blocks = [re.findall(r"(?ms)^```\n(.*?)^```$", part) for part in text.split("\n## ")[1:]]
    found = ["".join(block for block in part if "make image" not in block) for part in blocks]
    return ["\n".join(x for x in part.splitlines() if not x.startswith(ENDLESS)) for part in found]


def type_commands(commands: str, project: Path, fails: bool = False) -> str:
    """What the commands printed, in one shell that ends at the first that is refused."""
    path = f"{project / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"  # activated on the way
    return run("bash", "-ec", commands, cwd=project, fails=fails, PATH=path, **AUTHOR)


def test_the_tutorial_works_as_it_is_written(copy, tmp_path):
    for name in ("flights-2013-07.csv", "flights-2013-08.csv", "flights-to-come.csv"):
        (tmp_path / name).write_bytes((ROOT / "demo" / name).read_bytes())
    _, look, change, arrives, runs, back, use, _ = (
        part.replace("path/to", str(tmp_path)) for part in sections()
    )
    type_commands(look, copy)
    params = copy / "params.yaml"
    params.write_text(
        params.read_text("utf-8").replace("learning_rate: 0.1", "learning_rate: 0.05")
    )
    assert "| `train.estimator.learning_rate` | `0.1` | `0.05` |" in type_commands(change, copy)
    assert "17500 rows pass every rule" in type_commands(arrives, copy)
    said = type_commands(runs, copy, fails=True)
    assert "Promote to production" in run("git", "log", "--format=%s", cwd=copy), said
    assert "nothing ran in staging, so there is nothing to go back to" in said
    assert "3 logged, 0 already there" in type_commands(back, copy)
    assert "label" in type_commands(f"{use}\ncat scores.csv", copy)
    refused = type_commands(
        f"make data SOURCE={tmp_path}/flights-2013-08.csv APPEND=1\nmake pipeline", copy, fails=True
    )
    assert re.search(r"carrier: is not one of .*: 1 row, first row \d+ \(OO\)", refused)
