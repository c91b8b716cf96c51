from pathlib import Path

import pytest
from made_project import PROJECT, each_task, table
from mlgitops.core.errors import UserError
from mlgitops.core.project import project
from mlgitops.evaluation.evidence import gather
from mlgitops.reporting import card

pytestmark = pytest.mark.slow

CARD, SHEET = card.DOCUMENTS


@each_task
def test_the_figures_are_those_of_the_model_and_the_data(workspace):
    card.card()
    card.card(check=True)
    text = CARD.read_text(encoding="utf-8")
    lock = workspace.git("show", "HEAD:dvc.lock")
    assert gather().lock.model in text
    assert gather().lock.model in lock
    assert "| Trained on | 192 rows |" in text
    assert "| Rows | 240 |" in SHEET.read_text(encoding="utf-8")


def test_writing_again_changes_nothing(workspace):
    card.card()
    first = CARD.read_bytes(), SHEET.read_bytes()
    workspace.commit("Card")
    card.card()
    assert (CARD.read_bytes(), SHEET.read_bytes()) == first
    card.card(check=True)


def test_what_people_wrote_is_kept_byte_for_byte(workspace):
    card.card()
    before, end = b"\xef\xbb\xbfOurs, before\r\n\r\n", b"\n## Limits\r\n\ttabs  \nno end"
    CARD.write_bytes(before + CARD.read_bytes() + end)
    workspace.set("train.estimator.C", 5.0)
    workspace.run()
    card.card()
    text = CARD.read_bytes()
    assert text.startswith(before)
    assert text.endswith(end)
    assert b"| train.estimator.C | `5.0` |" in text
    card.card(check=True)


@pytest.mark.usefixtures("workspace")
def test_check_refuses_figures_that_were_edited_by_hand():
    card.card()
    text = CARD.read_text(encoding="utf-8")
    CARD.write_text(text.replace("| Trained on | 192", "| Trained on | 500"), encoding="utf-8")
    with pytest.raises(UserError, match=r"model-card.md: the figures were edited by hand"):
        card.card(check=True)
    card.card()
    card.card(check=True)


def test_check_refuses_figures_of_another_run(workspace):
    card.card()
    workspace.set("train.estimator.C", 5.0)
    workspace.run()
    with pytest.raises(UserError, match="are not those of this model: run `make card`"):
        card.card(check=True)


@pytest.mark.usefixtures("workspace")
def test_check_refuses_a_missing_card_and_writes_nothing():
    with pytest.raises(UserError, match="is not there: run `make card`"):
        card.card(check=True)
    assert not CARD.exists()


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("marker", [card.BEGIN, card.END])
def test_a_card_without_its_markers_is_left_alone(marker):
    card.card()
    CARD.write_text(CARD.read_text(encoding="utf-8").replace(marker, ""), encoding="utf-8")
    written = CARD.read_bytes()
    with pytest.raises(UserError, match="markers"):
        card.card()
    assert CARD.read_bytes() == written


def test_the_figures_do_not_depend_on_what_is_released(workspace):
    card.card()
    workspace.release(workspace.git("rev-parse", "HEAD"))
    workspace.commit("Release")
    card.card(check=True)


def test_a_hostile_name_cannot_end_the_figures(workspace):
    rows = table("binary").rename(columns={"z": card.END})
    rows["g"] = [card.END, "| x | `"] * (len(rows) // 2)
    workspace.take(rows)
    workspace.set("export.format", "sklearn")
    workspace.run()
    card.card()
    card.card(check=True)
    assert CARD.read_text(encoding="utf-8").count(card.END) == 1


@pytest.mark.usefixtures("workspace")
def test_the_project_is_described_by_pyproject():
    own = PROJECT.partition("[tool.image]")
    text = (
        '[project]\nname = "seals-model"\ndescription = "Counts | seals."\n'
        '[project.urls]\nrepository = "https://git.example/ada/seals"\n'
    )
    Path("pyproject.toml").write_text(text + own[1] + own[2], encoding="utf-8")
    found = project()
    assert (found.title, found.owner) == ("seals", "ada")
    card.card()
    assert "Counts &#124; seals." in CARD.read_text(encoding="utf-8")
