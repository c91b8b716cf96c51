"""Bars and lines as SVG: few, and with no script, so that a page of them needs nothing else."""

from collections.abc import Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 420, 150
LEFT, BOTTOM, TOP = 34, 34, 8
LABEL = 10  # characters of a label below a bar
SHOWN = 7  # labels below numbers


def frame(inner: Sequence[str], title: str) -> str:
    """A picture of these parts; the title is for who cannot see it."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(inner)}</svg>"
    )


def text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    """Words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def scale(highest: float) -> list[str]:
    """The vertical axis: a line at the highest value and at none."""
    floor = HEIGHT - BOTTOM
    lines = [f'<path class="axis" d="M{LEFT} {y}H{WIDTH}"/>' for y in (TOP, floor)]
    return [
        *lines,
        text(LEFT - 4, TOP + 8, f"{highest:.2g}", "end"),
        text(LEFT - 4, floor, "0", "end"),
    ]


def bars(before: np.ndarray, now: np.ndarray, labels: Sequence[str], title: str) -> str:
    """Shares before and now, side by side; a label below each pair, as far as there is place."""
    highest = max(float(before.max(initial=0)), float(now.max(initial=0)), 1e-9)
    step = (WIDTH - LEFT) / max(len(labels), 1)
    parts = scale(highest)
    every = 1 if len(labels) <= SHOWN else -(-len(labels) // SHOWN)
    for k, label in enumerate(labels):
        x = LEFT + k * step
        for side, share in (("before", before[k]), ("now", now[k])):
            parts.append(
                bar(side, x + step * (0.1 + 0.4 * (side == "now")), step * 0.4, share / highest)
            )
        if k % every == 0:
            parts.append(text(x + step / 2, HEIGHT - BOTTOM + 13, shorten(label)))
    return frame(parts, title)


def bar(side: str, x: float, width: float, share: float) -> str:
    """One bar, as high as its share of the highest."""
    height = (HEIGHT - BOTTOM - TOP) * float(share)
    y = HEIGHT - BOTTOM - height
    return (
        f'<rect class="{side}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
    )


def shorten(label: str) -> str:
    """A label of at most LABEL characters."""
    return label if len(label) <= LABEL else label[: LABEL - 1] + "…"


def line(values: Sequence[float], labels: Sequence[str], title: str) -> str:
    """Values over time."""
    highest = max([*values, 1e-9])
    floor, step = HEIGHT - BOTTOM, (WIDTH - LEFT) / max(len(values), 1)
    places = [
        (LEFT + (k + 0.5) * step, floor - (floor - TOP) * value / highest)
        for k, value in enumerate(values)
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]
    every = -(-len(labels) // SHOWN)
    names = [
        text(places[k][0], floor + 13, label) for k, label in enumerate(labels) if k % every == 0
    ]
    path = f'<polyline class="line" points="{points}"/>'
    return frame([*scale(highest), path, *dots, *names], title)
