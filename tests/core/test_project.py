from pathlib import Path

import pytest
from mlgitops.core.errors import UserError
from mlgitops.core.project import document, project

TEXT = """
[project]
name = "seals-model"
description = "Counts seals."
urls = {repository = "https://git.example/ada/seals"}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path("pyproject.toml").write_text


def test_a_project_is_what_pyproject_says(write):
    write(TEXT)
    found = project()
    assert found == ("seals-model", "Counts seals.", "ada", "https://git.example/ada/seals")
    assert found.title == "seals"
    assert document()["project"]["name"] == "seals-model"


def test_a_project_without_a_page_has_no_owner(write):
    write('[project]\nname = "seals"\n')
    assert project() == ("seals", "", "", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [("[tool]\n", "names no project"), ("[project\n", "cannot be read"), (None, "cannot be read")],
)
def test_what_is_no_project_is_refused_in_one_line(write, text, why):
    if text is not None:
        write(text)
    with pytest.raises(UserError, match=why) as refused:
        project()
    assert "\n" not in str(refused.value)
