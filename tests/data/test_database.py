import sqlite3
import sys
from contextlib import closing

import pytest
from mlgitops.core.errors import UserError
from mlgitops.data import reader
from mlgitops.data.source import source_of


def read(place, **options):
    """The rows that a source gives, and the notes on them."""
    return reader.read(source_of(place, **options))


@pytest.fixture
def sqlite_file(tmp_path):
    """A SQLite file with one table."""
    path = tmp_path / "t.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bees (code TEXT, x REAL)")
        connection.executemany("INSERT INTO bees VALUES (?, ?)", [("007", 1.5), ("NA", None)])
        connection.commit()
    return path


@pytest.mark.parametrize("start", ["", "sqlite:///"])
def test_a_query_is_read_from_a_database(start, sqlite_file):
    query = "SELECT code FROM bees WHERE x > 1"
    assert read(f"{start}{sqlite_file}", query=query)[0]["code"].tolist() == ["007"]
    with pytest.raises(UserError, match="no such table: wasps"):
        read(f"{start}{sqlite_file}", query="SELECT * FROM wasps")


def test_the_only_table_of_a_file_needs_no_query(sqlite_file):
    assert read(str(sqlite_file))[0]["code"].tolist() == ["007", "NA"]
    with closing(sqlite3.connect(sqlite_file)) as connection:
        connection.execute("CREATE TABLE wasps (a)")
    with pytest.raises(UserError, match=r"say which rows by QUERY=.*; tables: bees, wasps"):
        read(str(sqlite_file))
    with pytest.raises(UserError, match="there is no such file"):
        read(str(sqlite_file.with_name("none.db")))


def test_a_server_without_a_query_or_its_driver_is_told():
    with pytest.raises(UserError, match="say which rows by QUERY="):
        read("postgresql://base.example.org/bees")
    with pytest.raises(UserError, match=r"uv add sqlalchemy 'psycopg\[binary\]'"):
        read("postgresql://base.example.org/bees", query="SELECT 1")


def test_a_duckdb_file_is_read_where_its_package_is_there(tmp_path):
    duckdb = pytest.importorskip("duckdb", reason="the package duckdb is optional")
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute("CREATE TABLE bees AS SELECT '007' AS code, 1.5 AS x")
    assert read(str(tmp_path / "t.duckdb"))[0].to_dict("list") == {"code": ["007"], "x": [1.5]}


def test_without_its_package_a_duckdb_file_says_what_to_add(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    (tmp_path / "t.duckdb").write_bytes(b"")
    with pytest.raises(UserError, match="uv add duckdb"):
        read(str(tmp_path / "t.duckdb"))
