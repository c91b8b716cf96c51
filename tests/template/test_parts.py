"""What a test lacks is decided before it begins: it skips with the reason, and fails in CI."""

import sys

import pytest
from baked import ROOT, run
from parts import PARTS


@pytest.mark.parametrize(("ci", "said"), [("true", "1 error"), ("", "1 skipped")])
def test_a_daemon_that_answers_and_cannot_build_is_told_once_and_early(ci, said, tmp_path):
    """As where no base image can be pulled, or a proxy's certificates are not trusted."""
    docker = tmp_path / "docker"
    docker.write_text(
        "#!/bin/sh\n[ $1 = version ] && exec echo 28.0\n"
        "echo 'certificate signed by unknown authority' >&2\nexit 1\n", "utf-8"
    )  # fmt: skip
    docker.chmod(0o755)
    told = run(
        sys.executable, "-m", "pytest", "-rs", "tests/flow/test_image.py", "-k", "is_small",
        cwd=ROOT, fails=bool(ci), CI=ci, PATH=f"{tmp_path}:/usr/bin:/bin",
    )  # fmt: skip
    assert "cannot build an image: certificate signed by unknown authority" in told
    assert said in told.splitlines()[-1]


@pytest.mark.parametrize(("without", "said"), [("cluster azurite", "skipped"), ("", "error")])
def test_what_ci_left_out_by_name_skips_there_and_nothing_else(without, said, tmp_path):
    told = run(
        sys.executable, "-m", "pytest", "-rs", "tests/stores/test_reach.py", "-m", "azurite",
        cwd=ROOT, fails=not without, CI="true", WITHOUT=without, PATH=f"{tmp_path}:/usr/bin:/bin",
    )  # fmt: skip
    assert said in told.splitlines()[-1]
    assert "azurite is not installed" in told


def test_each_marker_of_a_part_is_declared():
    declared = run(sys.executable, "-m", "pytest", "--markers", cwd=ROOT)
    for name in PARTS:
        assert f"@pytest.mark.{name}: needs" in declared
