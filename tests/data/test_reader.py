import gzip
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlgitops.core.errors import UserError
from mlgitops.data import contract, delimited, reader
from mlgitops.data.schema import Column
from mlgitops.data.source import source_of


def read(place, **options):
    """The table of a source, and the notes on it."""
    return reader.read(source_of(place, **options))


@pytest.fixture
def write_table(tmp_path):
    def write(text, name="t.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return str(path)

    return write


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("größe,b c\n1.5,x\n2.5,y\n", "utf-8"),
        ("größe,b c\n1.5,x\n2.5,y\n", "utf-8-sig"),
        ("größe,b c\n1.5,x\n2.5,y\n", "cp1252"),
        ("größe,b c\n1.5,x\n2.5,y\n", "utf-16"),
        ("größe;b c\n1.5;x\n2.5;y\n", "utf-8"),
        ("größe|b c\n1.5|x\n2.5|y\n", "utf-8"),
        ("größe\tb c\n1.5\tx\n2.5\ty\n", "utf-8"),
        ("größe;b c\n1,5;x\n2,5;y\n", "cp1252"),
        ('"größe";"b c"\n"1,5";"x"\n"2,5";"y"\n', "utf-8"),
        ("\r\n größe ,b c \r\n1.5,x\r\n2.5,y\r\n", "utf-8"),
    ],
)
def test_every_dialect_gives_the_same_table(text, encoding, write_table):
    frame, notes = read(write_table(text, encoding=encoding))
    assert frame.to_dict("list") == {"größe": ["1.5", "2.5"], "b c": ["x", "y"]}
    assert notes == (["read as cp1252, not UTF-8"] if encoding == "cp1252" else [])


def test_decimal_commas_are_told_from_dates_with_dots(write_table):
    frame, _ = read(write_table("day;x\n31.12.2023;1,5\n01.01.2024;2,5\n"))
    assert frame["x"].tolist() == ["1.5", "2.5"]


def test_commas_inside_quoted_names_are_no_delimiters(write_table):
    frame, _ = read(write_table('"a, b, c";d\n1;2\n'))
    assert list(frame) == ["a, b, c", "d"]


def test_an_accent_on_the_last_line_tells_the_encoding(write_table):
    frame, _ = read(write_table("a,b\n1,é", encoding="cp1252"))
    assert frame["b"].tolist() == ["é"]


@pytest.mark.parametrize(
    ("name", "pack"), [("t.csv.gz", gzip.compress), ("T.CSV.GZ", gzip.compress)]
)
def test_compressed_files_are_read(name, pack, write_table):
    path = write_table(pack(b"a,b\n1,2\n"), name)
    assert read(path)[0].to_dict("list") == {"a": ["1"], "b": ["2"]}


def test_a_url_is_read():
    import fsspec

    with fsspec.open("memory://t.csv", "wb") as file:
        file.write(b"a,b\n1,2\n")
    assert read("memory://t.csv")[0].to_dict("list") == {"a": ["1"], "b": ["2"]}


@pytest.mark.parametrize(
    ("header", "names", "told"),
    [
        ("a,a,a", ["a", "a.1", "a.2"], ["a"]),
        ("a, a,a ", ["a", "a.1", "a.2"], ["a"]),
        ("a.2,a, a", ["a.2", "a", "a.1"], ["a"]),
        ("a.1,a, a", ["a.1", "a", "a.2"], ["a"]),
        ("a,,  ", ["a", "Unnamed: 1", "Unnamed: 2"], []),
    ],
)
def test_names_are_trimmed_and_each_is_another(header, names, told, write_table):
    frame, notes = read(write_table(f"{header}\n1,2,3\n"))
    assert list(frame) == names
    assert frame.iloc[0].tolist() == ["1", "2", "3"]
    assert [note.split("'")[1] for note in notes] == told


@given(
    names=st.lists(st.sampled_from(["a", " a", "a.1", "a.2", "a.1.1", "", " ", "b"]), max_size=8)
)
def test_names_never_repeat(names):
    named = delimited.unique_names(names)
    assert len(set(named)) == len(names)
    assert all(name and name == name.strip() for name in named)


@pytest.mark.parametrize("suffix", ["parquet", "pq"])
def test_parquet_is_read_with_its_types(suffix, frame, tmp_path):
    frame.to_parquet(tmp_path / f"t.{suffix}")
    found, notes = read(str(tmp_path / f"t.{suffix}"))
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)
    assert notes == []


def test_the_index_of_parquet_is_a_column(tmp_path):
    index = pd.Index(["x", "y"], name="station")
    pd.DataFrame({"a": [1, 2]}, index=index).to_parquet(tmp_path / "t.parquet")
    found, _ = read(str(tmp_path / "t.parquet"))
    assert found.to_dict("list") == {"station": ["x", "y"], "a": [1, 2]}


def test_an_index_named_as_a_column_is_numbered(tmp_path):
    index = pd.Index(["x", "y"], name="a")
    pd.DataFrame({"a": [1, 2]}, index=index).to_parquet(tmp_path / "t.parquet")
    found, _ = read(str(tmp_path / "t.parquet"))
    assert found.to_dict("list") == {"a": ["x", "y"], "a.1": [1, 2]}


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10"
# Without the time, which would give the test another name each second.
CUT = gzip.compress(b"a,b\n" + b"1,2\n" * 9999, mtime=0)[:-20]
BAD = [
    ("t.csv", b"", "is empty"),
    ("t.csv", b" \n\n", "is empty"),
    ("t.csv", b"\xef\xbb\xbf\n", "is empty"),
    ("t.csv", PNG, "is not a table: it holds bytes that no text has"),
    ("t.parquet", PNG, "is not a Parquet file"),
    ("t.parquet", b"", "is not a Parquet file"),
    ("t.csv", b'a,b\n1,2\n1,2,3,4\n"', "is not a table"),
    ("t.csv", b"a,b\n1,2,3\n1,2,3\n", "its rows have more fields than its header"),
    ("t.csv", b"a,b\n\x81,\xff\n", "is not a table"),
    ("t.csv.gz", b"a,b\n1,2\n", "cannot be read"),
    ("t.csv.gz", CUT, "cannot be read|is not a table"),
]


@pytest.mark.parametrize(("name", "content", "told"), BAD)
@pytest.mark.parametrize("read", [read, lambda path: list(reader.chunks(Path(path), 5, {}))])
def test_what_is_no_table_is_one_clear_mistake(read, name, content, told, write_table):
    path = write_table(content, name)
    with pytest.raises(UserError, match=told) as mistake:
        read(path)
    assert path in str(mistake.value)
    assert "\n" not in str(mistake.value)


def test_a_single_huge_line_is_no_traceback(write_table):
    frame, _ = read(write_table("x" * 300_000 + "\n1\n"))
    assert frame.shape == (1, 1)


def test_a_folder_a_missing_and_an_unknown_source_are_mistakes(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="folder is empty"):
        read(str(tmp_path / "empty"))
    with pytest.raises(UserError, match="there is no such file"):
        read(str(tmp_path / "none.csv"))
    with pytest.raises(UserError, match="cannot be read"):
        read("nowhere://none.csv")


def test_an_unreadable_file_is_a_mistake(write_table, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reader, "open_file", refuse)
    with pytest.raises(UserError, match=r"cannot be read .*Permission denied"):
        read(write_table("a\n1\n"))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_chunks_are_the_table_in_parts(name, frame, rules, tmp_path):
    path = tmp_path / name
    frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
    parts = list(reader.chunks(path, 15, rules.columns))
    assert [len(part) for part in parts] == [15, 15, 10]
    together = pd.concat(parts, ignore_index=True)
    found, broken = contract.check(together, rules.columns)
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)
    assert broken.empty


def test_named_text_columns_keep_their_zeros(write_table, tmp_path):
    write_table(" code ,x\n007,1\n")
    (part,) = reader.chunks(tmp_path / "t.csv", 10, {"code": Column(type="category")})
    assert part["code"].tolist() == ["007"]


def test_the_index_of_parquet_is_a_column_of_its_chunks_too(tmp_path):
    index = pd.Index(["x", "y"], name="station")
    pd.DataFrame({"a": [1, 2]}, index=index).to_parquet(tmp_path / "t.parquet")
    (part,) = reader.chunks(tmp_path / "t.parquet", 10, {})
    assert part.to_dict("list") == {"station": ["x", "y"], "a": [1, 2]}
