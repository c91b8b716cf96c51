"""What differs from HEAD, as a patch."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mlgitops.git.runner import run


def difference(paths: list[str]) -> bytes:
    """The difference of paths to HEAD, new files too, as a binary patch; empty if there is none.

    In an index of its own: what a person has staged stays as it is.
    """
    with TemporaryDirectory() as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        run("read-tree", "HEAD", env=env)
        run("add", "--all", "--", *[path for path in paths if Path(path).exists()], env=env)
        return run("diff", "--cached", "--binary", "--no-renames", "HEAD", env=env)
