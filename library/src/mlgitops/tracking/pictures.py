"""The plots of a commit as pictures, drawn as its dvc.yaml says."""

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import yaml

Plot = Mapping[str, Any]
Points = list[dict[str, Any]]
SHADES = 0.5  # of the darkest: the figure on a darker cell is white
BARS = 20  # the columns that the model relies on most
SIZE = (6.4, 4.8)  # inches, of 100 pixels


def pictures(stages: str, texts: Mapping[str, str]) -> dict[str, bytes]:
    """A PNG by path for each plot of dvc.yaml that has points, and for the columns' importance."""
    document = yaml.safe_load(stages) or {}
    plots = {path: plot for one in document.get("plots", []) for path, plot in entry(one).items()}
    plots |= {
        path: {
            "template": "bars",
            "x": "column",
            "y": "loss",
            "title": "Importance",
            "x_label": "loss that it saves",
            "y_label": "",
        }
        for path in texts
        if path.endswith("/importance.json") and path not in plots
    }
    found = {}
    for path, plot in plots.items():
        points = json.loads(texts.get(path, "[]"))
        if draw := DRAWINGS.get(plot.get("template", "simple")) if points else None:
            name = path.removeprefix("artifacts/").removesuffix(".json")
            found[f"{name}.png"] = picture(draw, plot, points)
    return found


def entry(one: Any) -> dict[str, Plot]:
    """An entry of dvc.yaml's plots as a mapping; one that says no more than its path is empty."""
    return {one: {}} if isinstance(one, str) else {path: plot or {} for path, plot in one.items()}


def picture(draw: Callable[[Any, Plot, Points], None], plot: Plot, points: Points) -> bytes:
    """A plot as PNG; without date or version, so that the same points give the same bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=100, layout="constrained")
    axes = figure.add_subplot()
    draw(axes, plot, points)
    axes.set_title(str(plot.get("title", "")))
    axes.set_xlabel(str(plot.get("x_label", plot.get("x", ""))))
    axes.set_ylabel(str(plot.get("y_label", plot.get("y", ""))))
    file = BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def columns(plot: Plot, points: Points) -> tuple[list[Any], list[Any]]:
    """The values of both axes, of the points that have both."""
    x, y = str(plot.get("x")), str(plot.get("y"))
    pairs = [(point.get(x), point.get(y)) for point in points]
    whole = [pair for pair in pairs if None not in pair]
    return [pair[0] for pair in whole], [pair[1] for pair in whole]


def line(axes: Any, plot: Plot, points: Points) -> None:
    """A line through the points."""
    axes.plot(*columns(plot, points))
    axes.grid(alpha=0.3)


def scatter(axes: Any, plot: Plot, points: Points) -> None:
    """The points."""
    axes.scatter(*columns(plot, points), s=12, alpha=0.6)
    axes.grid(alpha=0.3)


def bars(axes: Any, plot: Plot, points: Points) -> None:
    """A bar for each of the greatest, the greatest on top."""
    names, values = columns(plot, points)
    most = sorted(zip(values, map(str, names), strict=True))[-BARS:]
    axes.barh([name for _, name in most], [value for value, _ in most])


def confusion(axes: Any, plot: Plot, points: Points) -> None:
    """How often each pair occurs."""
    across, down = columns(plot, points)
    wide, tall = sorted(set(across), key=str), sorted(set(down), key=str)
    pairs = list(zip(across, down, strict=True))
    counts = [[pairs.count((one, other)) for one in wide] for other in tall]
    axes.imshow(counts, cmap="Blues")
    axes.set_xticks(range(len(wide)), map(str, wide))
    axes.set_yticks(range(len(tall)), map(str, tall))
    most = max(map(max, counts))
    for row, cells in enumerate(counts):
        for column, count in enumerate(cells):
            shade = "white" if count > SHADES * most else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=shade)


DRAWINGS = {
    "simple": line,
    "linear": line,
    "smooth": line,
    "scatter": scatter,
    "bars": bars,
    "confusion": confusion,
}
