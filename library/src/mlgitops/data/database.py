"""Reads the answer of a query: a SQLite or DuckDB file, or a server that SQLAlchemy knows."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from mlgitops.core.errors import UserError, join_names
from mlgitops.data.source import Source, describe

SQLITE = (".db", ".sqlite", ".sqlite3")
DUCKDB = (".duckdb",)
# The package to add for the servers that people have.
DRIVERS = {
    "postgresql": "'psycopg[binary]'",
    "mysql": "pymysql",
    "mssql": "pyodbc",
    "oracle": "oracledb",
}
SERVERS = (*DRIVERS, "sqlite")


def is_database(place: str) -> bool:
    """Whether a source is a file of a database, or the URL of a server."""
    kind = urlsplit(place).scheme.partition("+")[0]
    return kind in SERVERS or place.lower().endswith((*SQLITE, *DUCKDB))


def read_database(source: Source) -> pd.DataFrame:
    """The rows of the query; without one, of the only table."""
    place = source.place
    if "://" in place:
        return read_server(source)
    if not Path(place).is_file():
        raise UserError(f"{source.name}: there is no such file")
    return read_duckdb(source) if place.lower().endswith(DUCKDB) else read_sqlite(source)


def read_sqlite(source: Source) -> pd.DataFrame:
    """The rows of a SQLite file."""
    with closing(sqlite3.connect(f"file:{source.place}?mode=ro", uri=True)) as connection:
        try:
            query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
            names = [name for (name,) in connection.execute(query)]
            return pd.read_sql_query(source.query or select_all(source, names), connection)
        except (sqlite3.Error, pd.errors.DatabaseError) as error:
            raise UserError(f"{source.name}: {describe(error, source)}") from None


def read_duckdb(source: Source) -> pd.DataFrame:
    """The rows of a DuckDB file."""
    try:
        import duckdb  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise UserError(f"{source.name}: reading it needs a package: uv add duckdb") from None
    try:
        with duckdb.connect(source.place, read_only=True) as connection:
            names = [row[0] for row in connection.execute("SHOW TABLES").fetchall()]
            found: pd.DataFrame = connection.execute(source.query or select_all(source, names)).df()
    except duckdb.Error as error:
        raise UserError(f"{source.name}: {describe(error, source)}") from None
    return found


def read_server(source: Source) -> pd.DataFrame:
    """The rows of a query to a server; its driver finds the login in the environment."""
    kind = urlsplit(source.place).scheme.partition("+")[0]
    needed = f"uv add sqlalchemy {DRIVERS.get(kind, '')}".strip()
    if not source.query:
        raise UserError(f"{source.name}: say which rows by QUERY='SELECT …'")
    try:
        import sqlalchemy

        server: Any = sqlalchemy.create_engine(driver_url(source.place))
        with server.connect() as connection:
            return pd.read_sql_query(sqlalchemy.text(source.query), connection)
    except ImportError as error:
        raise UserError(f"{source.name}: {error}: {needed}") from None
    except (sqlalchemy.exc.SQLAlchemyError, pd.errors.DatabaseError) as error:
        raise UserError(f"{source.name}: {describe(error, source)}") from None


def driver_url(place: str) -> str:
    """The URL with the driver that is kept well, where it names none."""
    for kind, driver in (("postgresql", "psycopg"), ("mysql", "pymysql")):
        if place.startswith(f"{kind}://"):
            return place.replace(kind, f"{kind}+{driver}", 1)
    return place


def select_all(source: Source, names: list[str]) -> str:
    """The query for all rows of the only table."""
    if len(names) != 1:
        raise UserError(
            f"{source.name}: say which rows by QUERY='SELECT …'; tables: {join_names(names)}"
        )
    quoted = names[0].replace('"', '""')
    return f'SELECT * FROM "{quoted}"'  # noqa: S608 - the name is quoted, and the file's own
