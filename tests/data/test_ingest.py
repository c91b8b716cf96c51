import gzip
import hashlib
from pathlib import Path

import dvc.cli
import numpy as np
import pandas as pd
import pytest
import yaml
from mlgitops.core import config
from mlgitops.core.errors import UserError
from mlgitops.data import ingest, schema

ROWS = np.arange(60)


@pytest.fixture(autouse=True)
def commands(project, monkeypatch):
    """The commands that DVC was given; it does what it should."""
    given = []
    monkeypatch.setattr(dvc.cli, "main", lambda command: given.append(command) or 0)
    return given


@pytest.fixture
def table():
    """Columns of every kind that people have, and the target `paid`."""
    return pd.DataFrame(
        {
            "row": ROWS,
            "größe (cm)": np.where(ROWS % 9 == 0, np.nan, ROWS / 3),
            "children": np.where(ROWS % 7 == 0, np.nan, ROWS % 4),
            "member": ROWS % 3 == 0,
            "smoker": np.where(ROWS % 4 == 0, "yes", "no"),
            "flag": ROWS % 2,
            "town": [f"t{row % 25}" for row in ROWS],
            "colour": np.array(["red", "green", "blue"])[ROWS % 3],
            "said": [f"what was said in case {row}" for row in ROWS],
            "code": [f"c{row:04}" for row in ROWS],
            "seen": pd.date_range("2024-01-01", periods=60).strftime("%Y-%m-%d"),
            "same": "x",
            "nothing": np.nan,
            "paid": np.where(ROWS % 5 < 2, "late", "in time"),
        }
    )


def make_data(**given):
    """`mlgitops data` with what is given as NAME=value."""
    ingest.data([f"{name.upper()}={value}" for name, value in given.items()])


def take(frame, name="t.csv", **said):
    """`mlgitops data` with the table as its source."""
    path = Path("..") / name
    if name.endswith("parquet"):
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    make_data(source=str(path), **said)


def hashes(folder="."):
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and not {".git", "tmp"} & set(path.parts)
    }


def raw():
    return pd.read_parquet(ingest.RAW)


def test_a_table_becomes_the_project_s_data(table, commands, capsys):
    take(table, target="paid")
    rules = schema.load()
    assert (rules.task, rules.target, rules.time) == ("binary", "paid", None)
    assert {name: column.type for name, column in rules.columns.items()} == {
        "größe (cm)": "number",
        "children": "integer",
        "member": "boolean",
        "smoker": "boolean",
        "flag": "integer",
        "town": "category",
        "colour": "category",
        "paid": "category",
    }
    assert [n for n, c in rules.columns.items() if c.nullable] == ["größe (cm)", "children"]
    assert rules.columns["colour"].categories == ("blue", "green", "red")
    assert set(rules.left_out) == {"row", "said", "code", "seen", "same", "nothing"}
    assert list(raw()) == list(table)
    assert raw()["children"].dtype == "Int64"
    assert commands == [
        ["add", "--quiet", "data/raw.parquet"],
        ["push", "--quiet", "data/raw.parquet.dvc"],
    ]
    told = capsys.readouterr().out
    for name, reason in rules.left_out.items():
        assert any(name in line and reason in line for line in told.splitlines())
    assert "Next: review schema.yaml, then make pipeline" in told


def test_params_yaml_remembers_and_keeps_its_comments(table, project):
    text = project.joinpath("params.yaml").read_text("utf-8")
    project.joinpath("params.yaml").write_text(f"# ours\n{text}# last\n", encoding="utf-8")
    take(table.assign(paid=ROWS / 7), target="paid", time="seen")
    text = project.joinpath("params.yaml").read_text("utf-8")
    assert text.startswith("# ours\n")
    assert text.endswith("# last\n")
    found = yaml.safe_load(text)
    assert found["data"] == {"source": "../t.csv", "append": False}
    assert config.sections(config.RULES)["split"]["by"] == "time"
    assert found["train"]["estimator"]["class"].endswith(".HistGradientBoostingRegressor")
    take(table, target="paid", reset=True)
    found = yaml.safe_load(project.joinpath("params.yaml").read_text("utf-8"))
    assert config.sections(config.RULES)["split"]["by"] == "random"
    assert found["train"]["estimator"]["class"].endswith(".HistGradientBoostingClassifier")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("t.csv", {"sep": ";", "decimal": ",", "encoding": "cp1252"}),
        ("t.csv", {"sep": "\t", "encoding": "utf-8-sig"}),
        ("t.csv", {"sep": "|", "encoding": "utf-16"}),
        ("t.csv.gz", {}),
        ("t.parquet", None),
    ],
)
def test_every_form_of_the_table_gives_the_same_schema(name, options, table):
    take(table, target="paid")
    expected, rows = schema.load(), raw()
    path = Path("..") / f"other-{name}"
    if options is None:
        table.assign(nothing=None).to_parquet(path)
    else:
        table.to_csv(path, index=False, **options)
    make_data(source=str(path), target="paid", reset=True)
    assert schema.load() == expected
    used = list(expected.columns)
    pd.testing.assert_frame_equal(raw()[used], rows[used], check_dtype=False)


def test_hard_names_and_values_survive_the_round_trip():
    frame = pd.DataFrame(
        {
            "yes": ROWS % 7,
            "a: b": ROWS % 5,
            'it\'s "x", ': ROWS / 7,
            "x" * 200: ROWS % 4,
            "null": np.where(ROWS % 2, "1.0", "no way"),
            "line\nbreak": ROWS % 6,
            "day": pd.date_range("2024-01-31", periods=60).strftime("%d.%m.%Y"),
        }
    )
    take(frame, target="null", time="day")
    rules = schema.load()
    assert list(rules.columns) == [name.strip() for name in frame]
    assert raw()["day"].dt.month.tolist() == pd.date_range("2024-01-31", periods=60).month.tolist()


def test_repeated_names_are_numbered_and_told(capsys):
    lines = [f"{row % 7},{row % 5},{row % 3},{row % 2}" for row in ROWS]
    Path("../t.csv").write_text("\n".join(["a, a,b,y", *lines]), encoding="utf-8")
    make_data(source="../t.csv", target="y")
    assert list(schema.load().columns) == ["a", "a.1", "b", "y"]
    assert "the name 'a' occurs more than once" in capsys.readouterr().out


def test_infinite_numbers_become_missing_ones_and_are_told(table, capsys):
    take(table.assign(flag=np.where(ROWS == 4, np.inf, ROWS % 2)), target="paid")
    assert "flag: is not of type number: 1 row, first row 5 (inf)" in capsys.readouterr().out
    assert schema.load().columns["flag"].nullable
    assert raw()["flag"].isna().tolist() == (ROWS == 4).tolist()


def test_nested_columns_and_an_index_of_parquet(table):
    table.index = pd.Index([f"s{row % 6}" for row in ROWS], name="station")
    table["tags"] = [["a", "b"]] * 60
    table["mixed"] = pd.Series([{"a": 1}] * 60, index=table.index)
    take(table, "t.parquet", target="paid")
    rules = schema.load()
    assert rules.columns["station"].type == "category"
    assert rules.left_out["tags"] == rules.left_out["mixed"] == "holds lists or other nested values"
    assert list(raw()["tags"][0]) == ["a", "b"]


def test_mixed_values_of_parquet_are_stored_as_text(table, tmp_path):
    frame = table.assign(said=[row if row % 2 else f"{row} was said by him" for row in ROWS])
    rules = schema.load().model_copy(update={"columns": {}, "left_out": {"said": "free text"}})
    ingest.storable_table(frame, rules).to_parquet(tmp_path / "t.parquet")
    assert pd.read_parquet(tmp_path / "t.parquet")["said"][1] == "1"


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10"
Y = "\n".join(["x,y", *(f"{row % 7},{row % 2}" for row in ROWS)]).encode()
BAD = {
    "no such column": (Y, "t.csv", {"target": "z"}, "there is no column 'z'; there are x, y"),
    "no such time": (Y, "t.csv", {"target": "y", "time": "z"}, "there is no column 'z'"),
    "no target": (Y, "t.csv", {"reset": True}, "name the column to predict: TARGET=…"),
    "a wrong task": (Y, "t.csv", {"target": "y", "task": "guess"}, "TASK=guess: must be one of"),
    "a constant target": (Y.replace(b",0", b",1"), "t.csv", {"target": "y"}, "'y' is constant"),
    "a class of one row": (Y + b"\n1,2", "t.csv", {"target": "y"}, "the class '2' has one row"),
    "two rows": (b"x,y\n1,0\n2,1\n", "t.csv", {"target": "y"}, "2 rows are too few to learn from"),
    "no rows": (b"x,y\n", "t.csv", {"target": "y"}, "0 rows are too few"),
    "an empty file": (b"", "t.csv", {"target": "y"}, "is empty"),
    "a picture": (PNG, "t.csv", {"target": "y"}, "is not a table"),
    "a picture named parquet": (PNG, "t.parquet", {"target": "y"}, "is not a Parquet file"),
    "a spreadsheet": (PNG, "t.xlsx", {"target": "y"}, "is not a workbook"),
    "malformed": (b"x,y\n1,2\n1,2,3\n", "t.csv", {"target": "y"}, "is not a table"),
    "cut": (gzip.compress(Y * 99)[:-9], "t.csv.gz", {"target": "y"}, "cannot be read"),
    "another table without a target": (Y, "t.csv", {}, "RESET=1 TARGET=… infers"),
    "append to another table": (Y, "t.csv", {"target": "y", "append": True}, "APPEND=1 adds rows"),
}


def refuse(told, **said):
    before = hashes()
    with pytest.raises(UserError) as mistake:
        make_data(**said)
    assert told in str(mistake.value)
    assert len(str(mistake.value).splitlines()) <= 2
    assert hashes() == before


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_mistake_and_changes_nothing(case, commands):
    content, name, said, told = BAD[case]
    (Path("..") / name).write_bytes(content)
    refuse(told, source=f"../{name}", **said)
    assert commands == []


def test_other_bad_sources_change_nothing(table):
    refuse("or the folder is empty", source="..", target="y")
    refuse("there is no such file", source="../none.csv", target="y")
    refuse("no source is saved yet", target="y")
    table[["row", "same", "paid"]].to_csv("../t.csv", index=False)
    refuse("(row: an identifier: it numbers", source="../t.csv", target="paid")


@pytest.mark.parametrize("failing", ["add", "push"])
@pytest.mark.parametrize("how", [1, KeyboardInterrupt])
def test_when_dvc_fails_the_project_is_as_it_was(failing, how, table, monkeypatch):
    take(table, target="paid")
    before = hashes()

    def main(command):
        if command[0] == "add":
            Path("data/raw.parquet.dvc").write_text("outs: []")
            Path("data/.gitignore").write_text("/raw.parquet\n")
        if command[0] != failing:
            return 0
        if how == 1:
            return how
        raise how

    monkeypatch.setattr(dvc.cli, "main", main)
    with pytest.raises(UserError if how == 1 else how):
        take(table.head(40), "u.csv", target="colour")
    assert hashes() == before


def test_a_second_run_keeps_the_reviewed_schema_and_tells_what_changed(table, project, capsys):
    take(table, target="paid")
    path = project / "schema.yaml"
    path.write_text(
        path.read_text("utf-8").replace("range: [0, 30]", "range: [0, 25]") + "# ours\n"
    )
    reviewed = path.read_text("utf-8")
    newer = pd.concat([table, table.head(3).assign(colour="pink", flag=99)], ignore_index=True)
    take(newer.assign(extra=1), target="paid")
    assert path.read_text("utf-8") == reviewed
    assert len(raw()) == 63
    told = capsys.readouterr().out
    assert "60 rows before, 63 now" in told
    assert "colour: is not one of blue, green, red: 3 rows, first row 61 (pink): widen" in told
    assert "flag: is outside 0 to 2: 3 rows, first row 61 (99): widen" in told
    assert "extra: not in schema.yaml, so not used" in told
    assert told.endswith("Next: make pipeline\n")


def test_a_second_table_of_other_types_is_refused(table):
    take(table, target="paid")
    table["größe (cm)"] = "tall"
    table.to_csv("../u.csv", index=False)
    refuse("größe (cm): is not of type number: 60 rows, first row 1 (tall)", source="../u.csv")


def test_a_second_table_that_lacks_columns_is_refused(table):
    take(table, target="paid")
    table.drop(columns=["flag", "town"]).to_csv("../u.csv", index=False)
    refuse("columns of schema.yaml are not in the table: flag, town", source="../u.csv")


def test_appending_adds_what_is_new_and_nothing_twice(table, capsys):
    take(table.head(40), target="paid")
    take(table.tail(30), "u.csv", append=True)
    assert "10 rows were already there\n40 rows before, 60 now" in capsys.readouterr().out
    assert raw()["row"].tolist() == table["row"].tolist()
    before = hashes()
    make_data(source="../u.csv", append=True)
    assert "30 rows were already there\n60 rows before, 60 now" in capsys.readouterr().out
    assert hashes() == before


def test_appending_a_changed_row_adds_it(table):
    take(table, target="paid")
    take(table.tail(1).assign(children=0), "u.csv", append=True)
    assert len(raw()) == 61


def test_alone_it_refreshes_the_remembered_source(table, capsys):
    take(table.head(50), target="paid")
    table.to_csv("../t.csv", index=False)
    make_data()
    assert "50 rows before, 60 now" in capsys.readouterr().out
    assert len(raw()) == 60


def test_alone_it_appends_if_it_appended_last(table):
    take(table.head(30), target="paid")
    take(table.tail(10), "u.csv", append=True)
    table.tail(20).to_csv("../u.csv", index=False)
    make_data()
    assert len(raw()) == 50
    assert config.load(ingest.Data).append


def test_reset_infers_anew(table):
    take(table, target="paid")
    take(table, target="colour", reset=True)
    assert schema.load().target == "colour"
    assert schema.load().task == "multiclass"


def test_the_same_table_twice_gives_the_same_bytes(table):
    take(table, target="paid")
    before = hashes()
    take(table, target="paid")
    assert hashes() == before


def test_a_table_without_rows_another_task_or_a_lost_table_change_nothing(table):
    take(table, target="paid")
    table.head(0).to_csv("../none.csv", index=False)
    ingest.POINTER.write_text("outs: []\n", encoding="utf-8")
    for told, said in (
        ("no rows", {"source": "../none.csv"}),
        ("schema.yaml says binary", {"source": "../t.csv", "task": "multiclass"}),
    ):
        before = hashes()
        with pytest.raises(UserError, match=told):
            make_data(**said)
        assert hashes() == before
    ingest.RAW.unlink()
    with pytest.raises(UserError, match="dvc checkout"):
        make_data(source="../t.csv", append=True)
    assert not ingest.RAW.exists()


@pytest.mark.parametrize("text", [None, "{{{", "task: none\n"])
def test_a_schema_that_cannot_be_read_is_no_reason_against_another(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        schema.SCHEMA.write_text(text)
    assert ingest.schema_before() is None
    assert ingest.is_other(None, None)
