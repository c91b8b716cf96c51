"""Which files commands write."""

import pytest
from mlgitops.core.paths import is_made

DIGEST = "e0/99448f162d3e0f4122890da71db0d5"


@pytest.mark.parametrize(
    "path",
    [
        "dvc.lock", "artifacts/data.json", "artifacts/metrics.json", "artifacts/slices.json",
        "artifacts/parity.json", "artifacts/plots/roc.json", "docs/model-card.md",
        "docs/data-sheet.md", f"store/files/md5/{DIGEST}", f"store/files/md5/{DIGEST}.dir",
        f"store/dvc/files/md5/{DIGEST}",
    ],
)  # fmt: skip
def test_what_commands_write_is_made(path):
    assert is_made(path)


@pytest.mark.parametrize(
    "path",
    [
        "dvc.lockx.py", "dvc.lock/x.py", "artifacts/x.py", "artifacts/plots/x.py", "artifacts.py",
        "artifacts/metrics.json.py", "artifacts/.gitignore", "artifacts/plots/deep/roc.json",
        "artifacts/plots/.roc.json", "docs/model-card.md.py", "docs/model-card.mdx", "store/x.py",
        f"store/files/md5/{DIGEST}.py", f"store/.x/files/md5/{DIGEST}", "stores/x", "src/dvc.lock",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_a_persons(path):
    assert not is_made(path)
