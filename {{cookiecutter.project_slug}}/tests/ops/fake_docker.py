"""A program `docker` that answers as an engine would, from a file of labels by image."""

import json
import os
import sys
from pathlib import Path

PROGRAM = """#!{python}
import json, sys
from pathlib import Path

here = Path(__file__).parent
engine = json.loads((here / "engine.json").read_text())
with (here / "asked").open("a") as file:
    print(*sys.argv[1:], file=file)
what, image = sys.argv[1], sys.argv[-1]
if what == "version":
    sys.exit(0 if engine["runs"] else "Cannot connect to the Docker daemon")
if what == "pull":
    if image not in engine["registry"]:
        sys.exit(f"Error response from daemon: manifest for {{image}} not found")
    engine["here"][image] = engine["registry"][image]
    (here / "engine.json").write_text(json.dumps(engine))
    print(image)
elif sys.argv[2] == "ls":
    print("sha256:1" if image in engine["here"] else "")
elif image in engine["here"]:
    print(json.dumps(engine["here"][image]))
else:
    sys.exit(f"Error: No such image: {{image}}")
"""


class Engine:
    """What the program answers, and what it was asked."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.folder = folder
        folder.mkdir()
        program = folder / "docker"
        program.write_text(PROGRAM.format(python=sys.executable))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        self.answers()

    def answers(self, runs=True, here=None, registry=None) -> None:
        """An engine that runs, the images that it has, those of the registry: labels by name."""
        engine = {"runs": runs, "here": here or {}, "registry": registry or {}}
        (self.folder / "engine.json").write_text(json.dumps(engine))

    def asked(self) -> list[str]:
        """The commands that were given to it."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []
