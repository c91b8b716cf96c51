import pytest
from mlgitops.core import config
from mlgitops.core.errors import Mistake, listed
from pydantic import PositiveInt, ValidationError


class Bake(config.Section):
    minutes: PositiveInt
    kind: str = "bread"


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "params.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_section_is_named_as_its_class(written):
    assert config.load(Bake, written("bake: {minutes: 3}")) == Bake(minutes=3)


def test_a_section_is_frozen(written):
    with pytest.raises(ValidationError, match="frozen"):
        config.load(Bake, written("bake: {minutes: 3}")).minutes = 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bake: {minutes: 3, hours: 1}", "bake.hours: Extra inputs are not permitted"),
        ("bake: {minutes: 0}", "bake.minutes: Input should be greater than 0 (it is 0)"),
        ("bake: {kind: cake}", "bake.minutes: Field required"),
        ("bake: 3", "bake: Input should be a valid dictionary"),
        ("cook: {minutes: 3}", "bake: Input should be a valid dictionary"),
        ("", "bake: Input should be a valid dictionary"),
        ("[1, 2]", "is not a mapping"),
        ("just words", "is not a mapping"),
        ("bake: {minutes: 3", "is not YAML"),
        ("bake: \t{", "is not YAML"),
    ],
)
def test_a_wrong_section_is_a_mistake_of_one_line(text, told, written):
    path = written(text)
    with pytest.raises(Mistake) as mistake:
        config.load(Bake, path)
    assert str(path) in str(mistake.value)
    assert told in str(mistake.value)
    assert "\n" not in str(mistake.value)


def test_a_missing_file_is_a_mistake(tmp_path):
    with pytest.raises(Mistake, match="cannot be read"):
        config.load(Bake, tmp_path / "params.yaml")


def test_a_file_that_is_no_text_is_a_mistake(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"bake: \xff\xfe")
    with pytest.raises(Mistake, match="is not YAML"):
        config.load(Bake, path)


def test_a_long_list_of_names_is_cut():
    assert listed(range(8)) == "0, 1, 2, 3, 4, 5, 6, 7"
    assert listed(range(11)) == "0, 1, 2, 3, 4, 5, 6, 7 and 3 more"
