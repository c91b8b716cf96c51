import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from mlgitops.reporting import markdown

HOSTILE = r"""a|b|`ticks`|``|<script>alert(1)</script>|<!-- end of the figures -->|@acme/team|#123
GH-1|acme/app#1|[text](https://example.org)|![x](y)|https://example.org|www.example.org|*bold*|_it_
ada@example.org|~~gone~~|a\|\|$x$|&amp;|:tada:|<details>|</details>|{{ 1 }}|{% raw %}|- item|1. item
> quote|```mermaid|| | ---"""
HOSTILE = [*HOSTILE.replace("\n", "|").split("|"), "a|b", "a\\|b", "`|`", "a\nb", "\n\n# heading"]
HOSTILE += ["\u202eleft", "", "   ", "x" * 500]
SYMBOLS = st.text(alphabet="`|<>@#\\*_[]()!&~$ \nab1.:/-", max_size=30)
names = st.one_of(st.sampled_from(HOSTILE), SYMBOLS, st.text(max_size=80))


def cells(row):
    """The cells of the one body row of a table, as HTML."""
    text = f"| A | B |\n|---|---|\n{row}\n"
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    html = reader.render(text)
    assert html.count("<tr>") == 2, html
    return re.findall(r"<td>(.*?)</td>", html, re.DOTALL)


@given(names)
def test_a_name_as_code_stays_one_cell_that_means_nothing(name):
    cell, last = cells(f"| {markdown.code(name)} | 1 |")
    assert last == "1"
    assert re.fullmatch(r"<code>[^<]*</code>", cell), cell


@given(names)
def test_prose_stays_one_cell_without_a_tag(name):
    cell, last = cells(f"| {markdown.plain(name)} | 1 |")
    assert last == "1"
    assert "<" not in cell, cell


@pytest.mark.parametrize("name", ["__0__", "a__b", "_x_", "__a__b__", "_a_b_", "_a", "a_", "*_a_*"])
def test_prose_shows_underscores_as_they_are(name):
    text = MarkdownIt("commonmark").renderInline(f"x {markdown.plain(name)} y")
    assert text == f"x {name} y"


def test_prose_emphasizes_nothing():
    reader, found = MarkdownIt("commonmark"), 0
    for characters in (one for n in range(1, 6) for one in product("_a0é .", repeat=n)):
        text = reader.renderInline(f"x{markdown.plain(''.join(characters))}y")
        assert "<" not in text, characters
        found += 1
    assert found == sum(6**n for n in range(1, 6))


@given(names)
def test_prose_mentions_and_links_nothing(name):
    cell, _ = cells(f"| {markdown.plain(name)} | 1 |")
    text = re.sub(r"&(amp|lt|gt|quot);", "'", cell)
    assert not re.search(r"@\w|#\w|(?i:\bgh-\d|\bwww\.)|\w://\w", text), cell


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=40))
def test_an_ordinary_name_is_shown_as_it_is(name):
    assert markdown.code(name) == f"`{name}`"


@pytest.mark.parametrize(
    "name", ["log_loss", "bill_length_mm", "snake_case_2", "artifacts/model, MB"]
)
def test_names_of_our_own_stay_readable_in_the_source(name):
    assert markdown.plain(name) == name


@given(names)
def test_a_label_of_a_chart_is_letters_and_digits(name):
    label = markdown.label(name)
    assert len(label) <= 18
    assert not set(label) & set("\"'`|<>[]{};%\n\\@#")


def test_figures_have_three_digits_and_none_is_a_dash():
    shown = [markdown.figure(value) for value in (0.123456, 123456.0, -0.0, 7, None, float("nan"))]
    assert shown == ["0.123", "123456", "0", "7", "\u2013", "\u2013"]


def test_a_cut_table_says_how_many_rows_are_left_out():
    assert "3 more" in markdown.cut(range(5), 2)
    assert markdown.cut(range(5), 5) == ""
