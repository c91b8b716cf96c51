"""`make demo`, as the README promises it."""

import re

from conftest import ROOT, run


def test_the_demo_ends_well_and_can_be_run_again():
    for _ in range(2):
        said = run("make", "demo", cwd=ROOT)
        commands = re.findall(r"^  \$ (\w+)", said, re.M)
        assert {"cookiecutter", "make", "git", "dvc"} <= set(commands)
        assert re.search(r"together +\d+\.\d s", said)
        assert re.findall(r"^  (cd|make) ", said.partition("Go on:")[2], re.M)[:1] == ["cd"]
