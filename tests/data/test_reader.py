import gzip
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlgitops.core.errors import UserError
from mlgitops.data import contract, delimited, reader, source
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
    ("t.csv", PNG, "is not a table: it contains binary data"),
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


TABLE = pd.DataFrame({"code": ["007", "010"], "x": [1.5, 2.5], "n": [1, 2], "word": ["NA", "é"]})


def write_form(path, sheet="Sheet1"):
    """The table in the form that the end of the name says."""
    match path.suffixes[0]:
        case ".xlsx":
            rows = [TABLE.columns.tolist(), *TABLE.to_numpy().tolist()]
            write_workbook(path, {sheet: rows, "Other": [["a"], ["b"]]})
        case ".json":
            TABLE.to_json(path, orient="records")
        case ".jsonl" | ".ndjson":
            TABLE.to_json(path, orient="records", lines=True)
        case ".feather" | ".arrow":
            TABLE.to_feather(path)
        case ".orc":
            TABLE.to_orc(path)
        case ".tsv" | ".tab":
            TABLE.to_csv(path, index=False, sep="\t")
        case _:
            TABLE.to_csv(path, index=False)


@pytest.mark.parametrize(
    "name",
    ["t.json", "t.jsonl", "t.ndjson", "t.feather", "t.arrow", "t.orc", "t.tsv", "t.tab", "t.csv",
     "t.csv.gz", "t.csv.bz2", "t.csv.xz", "t.csv.zst", "t.csv.zip", "t.data", "t.jsonl.gz"],
)  # fmt: skip
def test_every_form_that_people_have_is_read(name, tmp_path):
    plain = tmp_path / name.replace(".zst", "")
    write_form(plain)
    if name.endswith(".zst"):
        with pa.output_stream(str(tmp_path / name), compression="zstd") as packed:
            packed.write(plain.read_bytes())
    found, _ = read(str(tmp_path / name))
    assert found["code"].tolist() == ["007", "010"]
    assert found["word"].tolist() == ["NA", "é"]
    assert found.astype("str")["x"].tolist() == ["1.5", "2.5"]
    assert found.astype("str")["n"].tolist() == ["1", "2"]


def test_a_workbook_is_read_by_its_sheet(tmp_path):
    path = tmp_path / "t.xlsx"
    write_workbook(path, {"First": [["code", "x"], ["007", 1.5]], "Last": [["a"], ["b"]]})
    found, notes = read(str(path))
    assert found.to_dict("list") == {"code": ["007"], "x": [1.5]}
    assert notes == ["the sheet 'First' is read, SHEET= names another: First, Last"]
    assert read(str(path), sheet="Last")[0].to_dict("list") == {"a": ["b"]}
    with pytest.raises(UserError, match="no sheet 'Middle'; there are First, Last"):
        read(str(path), sheet="Middle")


def write_workbook(path, sheets):
    """A workbook of the least that the format asks: text in place, numbers as they are."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    links = "http://schemas.openxmlformats.org/package/2006/relationships"
    kinds = "http://schemas.openxmlformats.org/package/2006/content-types"
    names = list(enumerate(sheets, start=1))
    files = {
        "[Content_Types].xml": f'<Types xmlns="{kinds}"><Default Extension="xml" '
        'ContentType="application/xml"/><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{links}"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{office}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{k}" r:id="r{k}"/>' for k, name in names)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{links}">'
        + "".join(
            f'<Relationship Id="r{k}" Type="{office}/worksheet" Target="worksheets/s{k}.xml"/>'
            for k, _ in names
        )
        + "</Relationships>",
    }
    for k, name in names:
        rows = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in sheets[name])
        files[f"xl/worksheets/s{k}.xml"] = (
            f"<worksheet {main}><sheetData>{rows}</sheetData></worksheet>"
        )
    with zipfile.ZipFile(path, "w") as book:
        for place, text in files.items():
            book.writestr(place, text)


def cell(value):
    """A cell of a workbook."""
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f"<c><v>{value}</v></c>"


@pytest.mark.parametrize("place", ["parts", "parts/*.csv", "parts.zip"])
def test_the_files_of_one_table_are_read_as_one(place, tmp_path):
    (tmp_path / "parts").mkdir()
    for k in range(3):
        (tmp_path / f"parts/t{k}.csv").write_text(f"a,b\n0{k},x\n")
    (tmp_path / "parts/.hidden").write_text("no table")
    with zipfile.ZipFile(tmp_path / "parts.zip", "w") as packed:
        for k in range(3):
            packed.write(tmp_path / f"parts/t{k}.csv", f"t{k}.csv")
    found, notes = read(str(tmp_path / place))
    assert found["a"].tolist() == ["00", "01", "02"]
    assert notes == ["3 files are read as one table"]
    (tmp_path / "parts/t3.csv").write_text("a,c\n1,2\n")
    with pytest.raises(UserError, match=r"t3.csv: has not the columns of .*t0.csv: b, c"):
        read(str(tmp_path / "parts"))


def test_a_pattern_of_no_file_and_a_broken_zip_are_mistakes(tmp_path):
    with pytest.raises(UserError, match="there is no file of this name"):
        read(str(tmp_path / "*.csv"))
    (tmp_path / "t.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match="cannot be unzipped"):
        read(str(tmp_path / "t.zip"))
    with zipfile.ZipFile(tmp_path / "e.zip", "w"):
        pass
    with pytest.raises(UserError, match="holds no file"):
        read(str(tmp_path / "e.zip"))


@pytest.mark.parametrize(
    ("name", "text"), [("t.json", "[1, 2]"), ("t.json", "{}"), ("t.json", "{"), ("t.jsonl", "{\n")]
)
def test_json_that_is_no_table_is_a_mistake(name, text, write_table):
    with pytest.raises(UserError, match="is not a table in JSON"):
        read(write_table(text, name))


@pytest.fixture
def web(tmp_path):
    """The address of a web server that has t.csv, sends moved.csv there, and counts requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            path = self.path.partition("?")[0]
            if path == "/moved.csv":
                self.send_response(302)
                self.send_header("Location", "/t.csv")
                self.end_headers()
                return
            body = b"code,x\n007,1.5\n"
            self.send_response(200 if path == "/t.csv" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_address_is_downloaded_through_redirects_and_with_a_signature(web, monkeypatch):
    assert read(f"{web}/moved.csv")[0]["code"].tolist() == ["007"]
    monkeypatch.setenv("DATA_SOURCE", f"{web}/t.csv?sig=honey")
    assert read("env:DATA_SOURCE")[0]["code"].tolist() == ["007"]


def test_a_file_that_is_not_there_and_a_server_that_is_not_reached_are_told_apart(
    web, free_port, monkeypatch
):
    monkeypatch.setattr(source.time, "sleep", lambda seconds: None)
    with pytest.raises(UserError, match="there is no such file"):
        read(f"{web}/none.csv")
    with pytest.raises(UserError, match="the server is not reached, after 3 tries"):
        read(f"http://127.0.0.1:{free_port()}/t.csv")


def test_a_server_that_answers_at_the_second_try_is_enough(web, monkeypatch):
    pauses, fetch = [], source.fetch

    def fail_once(url, target):
        if not pauses:
            raise ConnectionResetError
        fetch(url, target)

    monkeypatch.setattr(source, "fetch", fail_once)
    monkeypatch.setattr(source.time, "sleep", pauses.append)
    assert read(f"{web}/t.csv")[0]["code"].tolist() == ["007"]
    assert pauses == [1]


def test_what_fails_with_a_secret_source_does_not_print_it(monkeypatch, free_port):
    monkeypatch.setattr(source.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("DATA_SOURCE", f"http://bee:honey@127.0.0.1:{free_port()}/t.csv?sig=x")
    with pytest.raises(UserError) as mistake:
        read("env:DATA_SOURCE")
    assert str(mistake.value).startswith("env:DATA_SOURCE: ")
    assert "honey" not in str(mistake.value)
