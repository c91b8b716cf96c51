import pytest
from mlgitops.core.errors import UserError
from mlgitops.releases.down import down


def test_all_is_stopped_also_where_nothing_is_released_any_more(docker, monkeypatch):
    monkeypatch.setenv("IMAGE", "")
    down()
    assert docker.calls("compose")[-1] == ["compose", "down"]
    assert docker.last_image() == "any"


def test_without_compose_it_says_how_to_get_it(docker):
    docker.answer("compose", "version", error="not a docker command", code=1)
    with pytest.raises(UserError, match=r"docs\.docker\.com/compose/install"):
        down()
