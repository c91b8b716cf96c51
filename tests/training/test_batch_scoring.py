import gzip
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from mlgitops.core.errors import UserError
from mlgitops.data.schema import Column
from mlgitops.training import batch_scoring, export, exported_model
from template_model import fit

IN, OUT = Path("in.csv"), Path("out.csv")


def read_scores(path):
    """The output as pandas reads it."""
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def export_model(frame, rules, path="sklearn.tree.DecisionTreeClassifier", **options):
    """artifacts/model/ of an estimator fitted to the table."""
    joblib.dump(fit(frame, rules, path, **options), "artifacts/fitted.joblib")
    frame.to_parquet("data/train.parquet")
    Path("schema.yaml").write_text(export.schema.dump(rules), encoding="utf-8")
    paths = Path("artifacts/fitted.joblib"), Path("data/train.parquet")
    export.export(*paths, exported_model.FOLDER, Path("artifacts/parity.json"))


@pytest.fixture
def score(project, frame, rules):
    """Exports a model, writes a table, scores it, and reads the answer."""
    export_model(frame, rules)

    def run(rows, source=IN, output=OUT, **options):
        if source.suffix == ".parquet":
            rows.to_parquet(source)
        else:
            rows.to_csv(source, index=False)
        batch_scoring.score(
            source, output, **{"bad": batch_scoring.Bad.refuse, "keep": ""} | options
        )
        return read_scores(output)

    return run


def new_files(folder="."):
    """The files that scoring may have left, and nothing that was there."""
    known = {"params.yaml", "gate.yaml", "schema.yaml", "pyproject.toml", "src"}
    known |= {"data", "artifacts", "in.csv", "in.parquet"}
    return {path.name for path in Path(folder).iterdir()} - known


def test_every_row_gets_a_prediction_in_its_place(score, frame, capsys):
    found = score(frame)
    assert list(found) == ["label", "probability_a", "probability_b", "problem"]
    assert found["label"].tolist() == frame["kind"].tolist()
    np.testing.assert_allclose(found["probability_a"] + found["probability_b"], 1)
    assert found["problem"].isna().all()
    assert "out.csv: 40 rows, 0 of them marked as bad" in capsys.readouterr().out
    assert new_files() == {"out.csv"}


def test_chunks_give_the_same_answer_as_one_piece(score, frame, choose):
    score(frame)
    in_parts = OUT.read_bytes()
    choose("chunk: 7", "chunk: 1000")
    score(frame)
    assert OUT.read_bytes() == in_parts


def test_csv_and_parquet_agree(score, frame):
    expected = score(frame)
    for source, output in [("in.parquet", "out.csv"), ("in.csv", "out.parquet")]:
        found = score(frame, Path(source), Path(output))
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_compressed_files_are_read_and_written(score, frame):
    expected = score(frame)
    Path("in.csv.gz").write_bytes(gzip.compress(IN.read_bytes()))
    batch_scoring.score(Path("in.csv.gz"), Path("out.csv.gz"), batch_scoring.Bad.refuse, "")
    assert gzip.decompress(Path("out.csv.gz").read_bytes()) == OUT.read_bytes()
    pd.testing.assert_frame_equal(read_scores(Path("out.csv.gz")), expected)


def test_other_columns_and_another_order_do_not_matter(score, frame):
    expected = score(frame)
    other = frame.drop(columns="kind").assign(note="x")[["note", *frame.columns[3::-1]]]
    pd.testing.assert_frame_equal(score(other), expected)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_kept_columns_are_copied_as_they_are(suffix, score, frame):
    frame["code"] = [f"{row:03}" for row in range(40)]
    found = score(frame, Path(f"in.{suffix}"), Path("out.parquet"), keep="code, count,wild")
    assert list(found)[:3] == ["code", "count", "wild"]
    assert found["code"].tolist() == frame["code"].tolist()
    assert found["count"].tolist() == frame["count"].astype("str").tolist()
    assert found["wild"].tolist() == frame["wild"].astype("str").tolist()


def test_a_nested_column_can_be_kept(score, frame):
    frame["tags"] = [["a", "b"]] * 40
    found = score(frame, Path("in.parquet"), keep="tags")
    assert found["tags"][0] == "['a' 'b']"


@pytest.mark.parametrize("keep", ["problem", "label", "probability_a"])
def test_a_kept_column_named_as_an_output_is_refused(keep, score, frame):
    with pytest.raises(UserError, match=f"--keep: the output has a column {keep} of its own"):
        score(frame.assign(**{keep: 1}), keep=f"count,{keep}")
    assert new_files() == set()


def test_a_kept_column_named_twice_is_copied_once(score, frame):
    assert list(score(frame, keep="count,count"))[:2] == ["count", "label"]


def test_rows_that_break_the_contract_are_refused_by_name_and_count(score, frame):
    frame.loc[[9, 30], "count"] = 99
    frame.loc[20, "colour"] = "pink"
    frame.loc[20, "length"] = 99.5
    with pytest.raises(UserError) as mistake:
        score(frame)
    assert str(mistake.value).splitlines() == [
        "3 of 40 rows violate the contract; nothing is written:",
        "  count: is outside 0 to 10: 2 rows, first row 10 (99)",
        "  length: is outside 0 to 20: 1 row, first row 21 (99.5)",
        "  colour: is not one of blue, green, red: 1 row, first row 21 (pink)",
        "Fix them, or pass them on without a prediction: BAD=mark",
    ]
    assert new_files() == set()


def test_marked_rows_have_a_problem_and_no_prediction(score, frame, capsys):
    expected = score(frame)
    frame.loc[[9, 30], "count"] = 99
    frame.loc[30, "colour"] = "pink"
    found = score(frame, bad=batch_scoring.Bad.mark)
    assert found["problem"].dropna().to_dict() == {
        9: "count is outside 0 to 10",
        30: "count is outside 0 to 10; colour is not one of blue, green, red",
    }
    bad = found["problem"].notna()
    assert found[bad].drop(columns="problem").isna().all(axis=None)
    pd.testing.assert_frame_equal(found[~bad], expected[~bad], check_dtype=False)
    assert "40 rows, 2 of them marked as bad" in capsys.readouterr().out


def test_all_rows_may_be_marked(score, frame):
    frame["count"] = frame["count"].astype("str") + " eggs"
    found = score(frame, bad=batch_scoring.Bad.mark)
    assert found["label"].isna().all()
    assert set(found["problem"]) == {"count is not of type integer"}


def test_labels_that_are_numbers_stay_whole(score, frame, rules):
    frame["kind"] = np.where(frame["kind"] == "a", 1, 2)
    columns = rules.columns | {"kind": Column(type="integer")}
    export_model(frame, rules.model_copy(update={"columns": columns}))
    frame.loc[9, "count"] = 99
    found = score(frame, output=Path("out.parquet"), bad=batch_scoring.Bad.mark)
    assert found["label"].dropna().tolist() == frame["kind"].drop(index=9).tolist()
    assert str(pd.read_parquet("out.parquet", dtype_backend="pyarrow")["label"].dtype) == (
        "int64[pyarrow]"
    )


def test_a_regression_gives_values(score, frame, rules):
    columns = rules.columns | {"kind": Column(type="number")}
    frame["kind"] = frame["count"] / 2
    rules = rules.model_copy(update={"task": "regression", "columns": columns})
    export_model(frame, rules, "sklearn.tree.DecisionTreeRegressor")
    found = score(frame)
    assert list(found) == ["value", "problem"]
    assert found["value"].tolist() == frame["kind"].tolist()


def test_scikit_learn_gives_the_same_answer(score, frame, rules, choose):
    expected = score(frame)
    choose("format: onnx", "format: sklearn")
    export_model(frame, rules)
    pd.testing.assert_frame_equal(score(frame), expected)


HARD = ["bill length", "bill_length", "label", "probabilities", "größe", "a/b", "a:b", "value"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_of_hard_names_go_through_to_the_scores(suffix, score, rules):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.integers(0, 4, 40) for name in HARD})
    frame["kind"] = np.where(frame["bill length"] > frame["bill_length"], "a: 1", "größer")
    columns = dict.fromkeys(HARD, Column(type="integer")) | {"kind": Column(type="category")}
    export_model(frame, rules.model_copy(update={"columns": columns, "slices": ()}))
    found = score(frame, Path(f"in.{suffix}"), Path(f"out.{suffix}"), keep="bill length,a/b")
    assert found["label"].tolist() == frame["kind"].tolist()
    assert list(found)[2:] == ["label", "probability_a: 1", "probability_größer", "problem"]


@pytest.mark.parametrize("source", [IN, Path("in.parquet")])
@pytest.mark.parametrize("bad", batch_scoring.Bad)
def test_a_table_without_rows_is_refused(source, bad, score, frame):
    with pytest.raises(UserError, match="has no rows"):
        score(frame.head(0), source, bad=bad)
    assert new_files() == set()


def test_a_table_without_a_needed_column_is_refused(score, frame):
    with pytest.raises(UserError, match="lacks columns that the model needs: count, colour"):
        score(frame.drop(columns=["count", "colour"]))
    assert new_files() == set()


def test_what_cannot_be_scored_is_a_mistake(score, frame):
    score(frame)
    OUT.unlink()
    for source, output, keep, told in [
        (IN, Path(), "", "give both files"),
        (Path(), OUT, "", "give both files"),
        (Path("none.csv"), OUT, "", "there is no such file"),
        (Path("data"), OUT, "", "there is no such file"),
        (IN, IN, "", "would replace the source"),
        (IN, Path("data/../in.csv"), "", "would replace the source"),
        (IN, Path("data"), "", "data is a folder: name a file"),
        (IN, Path("out.xlsx"), "", "out.xlsx: only CSV .* and Parquet are written"),
        (IN, OUT, "size", "--keep: there is no column size in the source"),
    ]:
        with pytest.raises(UserError, match=told):
            batch_scoring.score(source, output, batch_scoring.Bad.refuse, keep)
    assert Path("data/train.parquet").exists()
    assert new_files() == set()


def test_a_file_that_breaks_half_way_leaves_nothing(score, frame):
    score(frame)
    OUT.write_text("what was there")
    with IN.open("a", encoding="utf-8") as file:
        file.write("1,2,3,4,5,6,7,8,9\n")
    with pytest.raises(UserError, match=r"in.csv: is not a table: .*line 42"):
        batch_scoring.score(IN, OUT, batch_scoring.Bad.refuse, "")
    assert OUT.read_text() == "what was there"
    assert new_files() == {"out.csv"}


@pytest.mark.parametrize("output", ["out.csv", "out.csv.gz", "out.parquet"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_nothing(output, error, score, frame, monkeypatch):
    real, calls = batch_scoring.score_rows, []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise error
        return real(*arguments)

    monkeypatch.setattr(batch_scoring, "score_rows", interrupt)
    with pytest.raises(error):
        score(frame, output=Path(output))
    assert new_files() == set()


def test_texts_that_csv_must_quote_come_back(score, frame, rules):
    frame["kind"] = np.where(frame["kind"] == "a", 'say "a", b', "line\nbreak")
    columns = rules.columns | {"kind": Column(type="category")}
    export_model(frame, rules.model_copy(update={"columns": columns}))
    assert score(frame)["label"].tolist() == frame["kind"].tolist()
