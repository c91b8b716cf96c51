from pathlib import Path

import pytest
from mlgitops.core import cli, pipeline_version
from mlgitops.core.errors import UserError

STAGES = ("validate", "prepare", "train", "export", "evaluate")


def test_the_version_of_the_library_runs(project):
    pipeline_version.check()


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_refuses_another_version(stage, project, choose, frame):
    choose("pipeline = 2", "pipeline = 3", "pyproject.toml")
    for name in ("raw", "train", "test"):
        frame.to_parquet(f"data/{name}.parquet")
    before = sorted(Path().rglob("*"))
    told = r"pyproject.toml: tool.mlgitops.pipeline is 3, .* set it to 2, then `make pipeline`"
    with pytest.raises(UserError, match=told):
        cli.function(cli.COMMANDS[stage][0])()
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("text", ["", "[tool.mlgitops]\n", '[tool.mlgitops]\npipeline = "1"\n'])
def test_a_project_that_names_none_is_refused(text, project):
    Path("pyproject.toml").write_text(text)
    with pytest.raises(UserError, match=r"pyproject.toml: tool.mlgitops.pipeline is (None|1), "):
        pipeline_version.check()


@pytest.mark.parametrize("break_it", [Path.unlink, lambda path: path.write_text("[tool")])
def test_a_file_that_cannot_be_read_is_a_mistake(break_it, project):
    break_it(Path("pyproject.toml"))
    with pytest.raises(UserError, match=r"pyproject.toml: cannot be read"):
        pipeline_version.check()
