import pytest
from mlgitops.core import config
from mlgitops.core.errors import UserError, join_names
from mlgitops.data.split import Split
from mlgitops.data.validate import Validate
from mlgitops.training.export import Export, Parity, Requests
from pydantic import PositiveInt, ValidationError


class Bake(config.Section):
    minutes: PositiveInt
    kind: str = "bread"


@pytest.fixture
def write_params(tmp_path):
    def write(text):
        path = tmp_path / "params.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_section_is_named_as_its_class(write_params):
    assert config.load(Bake, write_params("bake: {minutes: 3}")) == Bake(minutes=3)


def test_a_section_is_frozen(write_params):
    with pytest.raises(ValidationError, match="frozen"):
        config.load(Bake, write_params("bake: {minutes: 3}")).minutes = 4


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
def test_a_wrong_section_is_a_mistake_of_one_line(text, told, write_params):
    path = write_params(text)
    with pytest.raises(UserError) as error:
        config.load(Bake, path)
    assert str(path) in str(error.value)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        config.load(Bake, tmp_path / "params.yaml")


def test_a_file_that_is_no_text_is_a_mistake(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"bake: \xff\xfe")
    with pytest.raises(UserError, match="is not YAML"):
        config.load(Bake, path)


def test_a_long_list_of_names_is_cut():
    assert join_names(range(8)) == "0, 1, 2, 3, 4, 5, 6, 7"
    assert join_names(range(11)) == "0, 1, 2, 3, 4, 5, 6, 7 and 3 more"


OLD = """\
validate: {min_rows: 20, max_duplicates: 0.5}
prepare: {split: time, test_share: 0.3, seed: 7}
export:
  format: sklearn
  rows: 190
  tolerance: 0.01
  max_differing: 0.02
  max_flipped: 0.03
  out_of_range: accept
"""


@pytest.fixture
def old(tmp_path, monkeypatch):
    """The params.yaml of a project from before there was gate.yaml."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "params.yaml"
    file.write_text(OLD, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Validate, {"min_rows": 20, "max_duplicates": 0.5}),
        (Split, {"by": "time", "test_share": 0.3, "seed": 7}),
        (Parity, {"rows": 190, "tolerance": 0.01, "max_differing": 0.02, "max_flipped": 0.03}),
        (Requests, {"out_of_range": "accept"}),
    ],
)
@pytest.mark.parametrize("gate", [None, "", "retrain: {cooldown_days: 7}"])
def test_rules_of_an_older_project_are_read_with_a_hint(gate, kind, values, old, capsys):
    if gate is not None:
        old.with_name("gate.yaml").write_text(gate)
    assert config.load(kind) == kind.model_validate(values)
    said = capsys.readouterr()
    name = kind.__name__.lower()
    assert f"hint: params.yaml: what `{name}` needs belongs in gate.yaml" in said.err
    assert said.out == ""


def test_what_is_tried_of_an_older_project_is_read_with_a_hint_for_each_rule(old, capsys):
    assert config.load(Export) == Export(format="sklearn")
    told = capsys.readouterr().err.splitlines()
    assert "hint: params.yaml: export.tolerance belongs in gate.yaml: parity.tolerance" in told
    assert len(told) == 5


def test_the_seed_of_prepare_is_the_project_s_own(old, capsys):
    class Prepare(config.Section):
        seed: int

    old.write_text("prepare: {seed: 3}")
    assert config.load(Prepare).seed == 3
    assert capsys.readouterr().err == ""


def test_where_both_files_have_a_rule_gate_yaml_decides_and_the_other_is_told(old, capsys):
    old.with_name("gate.yaml").write_text(
        "validate: {min_rows: 5, max_duplicates: 0.5}\n"
        "split: {by: random, test_share: 0.1, seed: 0}"
    )
    assert config.load(Validate).min_rows == 5
    told = "hint: params.yaml: validate is not read, for gate.yaml has it: remove it\n"
    assert capsys.readouterr().err == told
    assert config.load(Split).test_share == 0.1


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("gate.yaml", Validate, r"gate.yaml: validate.rows: Extra inputs"),
        ("params.yaml", Validate, r"params.yaml: validate.rows: Extra inputs"),
    ],
)
def test_an_unknown_key_is_refused_in_either_file(text, kind, told, old):
    rules = "validate: {min_rows: 20, max_duplicates: 0.5, rows: 3}"
    old.with_name(text).write_text(rules)
    with pytest.raises(UserError, match=told):
        config.load(kind)


def test_an_unknown_key_beside_those_that_moved_is_refused(old):
    old.write_text(OLD + "  chunk: 3\n")
    with pytest.raises(UserError, match=r"params.yaml: export.chunk: Extra inputs"):
        config.load(Export)


def test_rules_that_no_file_has_are_missed_in_gate_yaml(old):
    old.write_text("train: {}")
    with pytest.raises(UserError, match=r"gate.yaml: cannot be read \(No such file"):
        config.load(Validate)
    old.with_name("gate.yaml").write_text("gate: {}")
    with pytest.raises(UserError, match=r"gate.yaml: validate: Input should be a valid dictionary"):
        config.load(Validate)


def test_a_key_is_the_text_that_it_is(write_params):
    text = "bake: {yes: 1, no: 2, on: 3, True: 4, 007: 5, 2024-01-01: 6, null: 7, 1.50: 8}"
    keys = ["yes", "no", "on", "True", "007", "2024-01-01", "null", "1.50"]
    assert list(config.read(write_params(text))["bake"]) == keys


def test_only_true_and_false_are_booleans(write_params):
    read = config.read(write_params("[yes, no, On, off, true, False, 'true', 3, 0.5, ~]"))
    assert read == ["yes", "no", "On", "off", True, False, "true", 3, 0.5, None]


def test_keys_of_an_anchor_are_merged(write_params):
    text = "a: &a {yes: 1}\nb: {<<: *a, no: 2}\n"
    assert config.read(write_params(text))["b"] == {"yes": 1, "no": 2}


def test_the_sections_of_an_older_project_are_completed(old):
    whole = config.complete({"split": {"by": "random"}}, config.sections(old))
    assert whole["split"] == {"by": "random"}
    assert whole["validate"] == {"min_rows": 20, "max_duplicates": 0.5}
    assert whole["parity"]["rows"] == 190
    assert "gate" not in whole
