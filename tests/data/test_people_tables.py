"""Small tables, each with a trait of one that people have, taken as a new user takes them."""

from pathlib import Path

import dvc.cli
import pandas as pd
import pytest
from mlgitops.core.errors import UserError
from mlgitops.data import contract, ingest, reader, schema

TABLES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(autouse=True)
def _without_dvc(project, monkeypatch):
    """DVC does what it should."""
    monkeypatch.setattr(dvc.cli, "main", lambda command: 0)


def make_data(name, **given):
    """`mlgitops data` with the table as its source."""
    words = [f"{key.upper()}={value}" for key, value in given.items()]
    ingest.data([f"SOURCE={TABLES / name}", *words])


def raw():
    return pd.read_parquet(ingest.RAW)


def test_codes_of_digits_stay_texts_in_every_file(capsys):
    make_data("codes-first.csv", target="y")
    assert schema.load().columns["code"].type == "category"
    before = raw()
    assert before["code"].str.fullmatch(r"00\d{3}|[A-Z].*").all()
    make_data("codes-append-digits-only.csv", append=1)
    after = raw()
    given = pd.read_csv(TABLES / "codes-append-digits-only.csv", dtype="str")
    assert set(after["code"]) == set(before["code"]) | set(given["code"])
    make_data("codes-append-digits-only.csv", append=1)
    assert len(raw()) == len(after)


def test_words_of_a_category_are_kept_unless_the_contract_says_otherwise(capsys):
    make_data("na-namibia.csv", target="y")
    said = capsys.readouterr().out
    given = pd.read_csv(TABLES / "na-namibia.csv", keep_default_na=False)
    assert raw()["country"].tolist() == given["country"].tolist()
    assert raw()["drink"].tolist() == given["drink"].tolist()
    words = (given["drink"] == "None").sum()
    assert f"drink: {words} rows say 'None', kept as a value: RESET=1 MISSING=None" in said
    assert "NA" in schema.load().columns["country"].categories
    parts = reader.chunks(TABLES / "na-namibia.csv", 100, schema.load().columns)
    table, broken = contract.check(pd.concat(parts, ignore_index=True), schema.load().columns)
    assert broken.empty
    assert table["country"].tolist() == given["country"].tolist()


def test_words_that_missing_names_are_missing_values(capsys):
    make_data("na-namibia.csv", target="y", missing="NA, None")
    said = capsys.readouterr().out
    column = schema.load().columns["country"]
    assert column.missing == ("NA",)
    assert column.nullable
    assert "NA" not in column.categories
    given = pd.read_csv(TABLES / "na-namibia.csv", keep_default_na=False)
    assert raw()["country"].isna().sum() == (given["country"] == "NA").sum()
    assert "rows say 'NA', read as missing" in said


def test_rows_without_a_time_are_left_out_and_counted(capsys):
    make_data("bad_time.csv", target="won", time="at")
    said = capsys.readouterr().out
    told = "'at' is missing in 2 of 600 rows (0.3%), 2 say 'NaT': these rows are left out"
    assert told in said
    assert len(raw()) == 598
    assert raw()["at"].notna().all()


def test_rows_without_a_target_are_left_out_with_their_share(capsys):
    make_data("target_missing.csv", target="score")
    given = pd.read_csv(TABLES / "target_missing.csv")
    missing = int(given["score"].isna().sum())
    share = f"{missing} of {len(given)} rows ({missing / len(given):.1%})"
    assert f"'score' is missing in {share}" in capsys.readouterr().out
    assert len(raw()) == len(given) - missing


def test_more_rows_without_a_target_than_gate_yaml_allows_are_refused(choose):
    choose("max_duplicates: 0.5", "max_duplicates: 0.5, max_missing: 0.01", "gate.yaml")
    with pytest.raises(UserError, match=r"more than validate.max_missing of gate.yaml, 1.0%"):
        make_data("target_missing.csv", target="score")
    assert not ingest.RAW.exists()


def test_a_class_of_one_row_is_named_with_the_choices(capsys):
    with pytest.raises(UserError, match=r"has one row only; RARE=drop .*, RARE=other "):
        make_data("one_row_class.csv", target="cause")
    given = pd.read_csv(TABLES / "one_row_class.csv")["cause"].value_counts()
    (alone,) = given.index[given == 1]
    make_data("one_row_class.csv", target="cause", rare="drop")
    assert alone not in set(raw()["cause"])
    assert f"rows of rare classes are left out: {alone}" in capsys.readouterr().out
    ingest.data()  # params.yaml remembers the choice
    assert alone not in set(raw()["cause"])


def test_rare_classes_can_become_one(tmp_path, capsys):
    rows = [("a", n) for n in range(30)] + [("b", n) for n in range(30)]
    rows += [("c", 1), ("d", 2), ("d", 3)]
    pd.DataFrame(rows, columns=["kind", "x"]).to_csv(tmp_path / "t.csv", index=False)
    make_data(tmp_path / "t.csv", target="kind", rare="other")
    assert raw()["kind"].value_counts()["other"] == 3
    assert "3 rows of rare classes are now 'other': c, d" in capsys.readouterr().out


def test_columns_between_blanks_are_seen_as_such(capsys):
    make_data("spaces.data", target="mpg")
    said = capsys.readouterr().out
    assert "read as columns between runs of blanks" in said
    rules = schema.load()
    assert (rules.task, rules.columns["horsepower"].missing) == ("regression", ("?",))
    assert rules.columns["horsepower"].type == "integer"
    words = (TABLES / "spaces.data").read_text().count("?")
    assert raw()["horsepower"].isna().sum() == words
    assert "say '?', read as missing" in said


@pytest.mark.parametrize(
    ("texts", "kind", "form"),
    [
        (["$1,020.00", "$5"], "integer", "money"),
        (["$1,020.50", "($5)"], "number", "money"),
        (["12.5%", "3%"], "number", "percent"),
        (["1,234", "12"], "integer", "thousands"),
        (["(1,234)", "12"], "integer", "thousands"),
        (["31.12.2023", "01.02.2024"], "time", "day_first"),
        (["13/02/1963", "01/02/1963"], "time", "day_first"),
        (["02/13/2024", "01/02/2024"], "time", "month_first"),
        (["01/02/2024", "03/04/2024"], "time", "month_first"),
        (["1963-09-07", "1899-12-31"], "time", None),
        (["2024-01-01T10:00:00+02:00", "2024-06-01T10:00:00-05:00"], "time", None),
        (["1577880000", "1577890000"], "integer", None),
        (["00156", "00157"], "category", None),
        (["9007199254740993", "9007199254740995"], "category", None),
        (["1.10", "2.5"], "number", None),
        (["1e5", "2e3"], "integer", None),
        (["Y", "N"], "boolean", None),
        (["t", "f"], "boolean", None),
    ],
)
def test_what_a_column_is_written_like_stands_in_the_contract(texts, kind, form, tmp_path):
    frame = pd.DataFrame({"x": texts * 30, "z": list(range(15)) * 4, "y": ["a", "b", "b"] * 20})
    frame.to_csv(tmp_path / "t.csv", index=False)
    time = {"time": "x"} if kind == "time" else {}
    make_data(tmp_path / "t.csv", target="y", **time)
    column = schema.load().columns["x"]
    assert (column.type, column.format) == (kind, form)
    assert raw()["x"].notna().all()
    if form in ("day_first", "month_first") or texts[0].startswith("1963"):
        assert set(raw()["x"].dt.year) <= {1899, 1963, 2023, 2024}


def test_an_ambiguous_date_is_told_with_the_other_reading(tmp_path, capsys):
    frame = pd.DataFrame({"at": ["01/02/2024", "03/04/2024"] * 30, "z": [n % 7 for n in range(60)]})
    frame.assign(y=["a", "b", "b"] * 20).to_csv(tmp_path / "t.csv", index=False)
    make_data(tmp_path / "t.csv", target="y", time="at")
    said = capsys.readouterr().out
    assert "at: '01/02/2024' is read month first: both fit" in said
    assert "format: day_first in schema.yaml is the other" in said
    assert set(raw()["at"].dt.month) == {1, 3}


@pytest.mark.parametrize(
    "url",
    ["https://bee:honey@example.org/t.csv", "https://example.org/t.parquet?sig=abc%2Fd&se=2027",
     "s3://bucket/t.csv?X-Amz-Signature=1", "postgresql://bee:honey@base/table"],
)  # fmt: skip
def test_a_secret_in_the_source_is_refused_and_written_nowhere(url, project, capsys):
    with pytest.raises(UserError, match="SOURCE=env:DATA_SOURCE") as mistake:
        ingest.data([f"SOURCE={url}", "TARGET=y"])
    printed = str(mistake.value) + capsys.readouterr().out + Path("params.yaml").read_text()
    assert not any(word in printed for word in ("honey", "abc", "Signature"))


def test_a_secret_source_comes_from_the_environment_each_time(monkeypatch, capsys):
    import fsspec

    text = (TABLES / "one_row_class.csv").read_bytes()
    with fsspec.open("memory://secret-place/t.csv", "wb") as file:
        file.write(text)
    monkeypatch.setenv("DATA_SOURCE", "memory://secret-place/t.csv")
    ingest.data(["SOURCE=env:DATA_SOURCE", "TARGET=a"])
    assert "source: env:DATA_SOURCE" in Path("params.yaml").read_text()
    ingest.data()
    captured = capsys.readouterr()
    assert "secret-place" not in Path("params.yaml").read_text() + captured.out
    monkeypatch.delenv("DATA_SOURCE")
    with pytest.raises(UserError, match="the environment variable DATA_SOURCE is not set"):
        ingest.data()


@pytest.mark.parametrize(("megabytes", "told"), [(60, "think of a bucket"), (10, "")])
def test_a_large_table_with_the_store_in_git_is_told(megabytes, told, project, capsys):
    Path("store").mkdir()
    notes = ingest.check_size(megabytes * 1_000_000)
    assert told in "".join(notes)
    assert bool(notes) == bool(told)


def test_a_table_that_a_git_host_refuses_is_stopped(monkeypatch):
    Path("store").mkdir()
    monkeypatch.setattr(ingest, "LARGEST_FILE", 100)
    with pytest.raises(UserError, match="Git hosts refuse files over 100 MB"):
        make_data("one_row_class.csv", target="a")
    assert not ingest.RAW.exists()
