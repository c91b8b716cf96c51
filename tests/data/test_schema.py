import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlgitops.core.errors import UserError
from mlgitops.data import schema
from mlgitops.data.schema import Column, Schema

HARD = st.sampled_from(
    [
        *("yes", "no", "null", "~", "1.0", "2024-01-01", "0x1F", "1e3", "true", ".inf", "=", "<<"),
        *("a b", "größe", "it's", 'say "hi"', "a: b", "a #b", "- a", "? a", "{a}", "[a]", "a, b"),
        *("%a", "@a", "`a`", "!a", "&a", "*a", "|", ">", "x" * 200, "a\tb", "a\nb", "a\u2028b", ""),
    ]
)
NAMES = HARD | st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@st.composite
def column(draw):
    kind = draw(st.sampled_from(["number", "integer", "boolean", "category"]))
    limits = {}
    if kind in ("number", "integer") and draw(st.booleans()):
        limits["range"] = tuple(sorted([draw(NUMBERS), draw(NUMBERS)]))
    if kind == "category" and draw(st.booleans()):
        limits["categories"] = tuple(draw(st.lists(NAMES, max_size=4)))
    private = draw(st.sampled_from([False, True, "hash"]))
    return Column(type=kind, nullable=draw(st.booleans()), private=private, **limits)


@st.composite
def schemas(draw):
    names = draw(st.lists(NAMES, min_size=3, max_size=8, unique=True))
    columns = {name: draw(column()) for name in names}
    columns[names[0]] = Column(type="category", categories=("a", "b"))
    columns[names[1]] = Column(type="time")
    return Schema(
        task="binary",
        target=names[0],
        time=draw(st.sampled_from([None, names[1]])),
        slices=tuple(names[2:4]),
        columns=columns,
        left_out=draw(st.dictionaries(NAMES, NAMES, max_size=3)),
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("schema") / "schema.yaml"


@given(found=schemas())
@example(
    found=Schema(
        task="regression",
        target="x" * 200,
        columns={"x" * 200: Column(type="number", range=(-1.5, 2e300)), "y": Column(type="number")},
        left_out={"é" * 200: "free text"},
    )
)
def test_what_is_written_is_read_again(found, path):
    path.write_text(schema.dump(found), encoding="utf-8", newline="\n")
    assert schema.load(path) == found


def test_one_line_a_column_and_whole_numbers_without_a_point(rules):
    lines = schema.dump(rules).splitlines()
    assert "  length: {type: number, nullable: true, range: [0, 20]}" in lines
    assert "  colour: {type: category, categories: [blue, green, red]}" in lines
    assert lines[-1] == "left_out: {}"


def test_features_are_neither_target_nor_times(rules):
    columns = dict(rules.columns) | {"seen": Column(type="time"), "year": Column(type="integer")}
    found = Schema(task="binary", target="kind", time="year", columns=columns)
    assert list(found.features) == ["length", "count", "wild", "colour"]


GOOD = "task: binary\ntarget: k\ncolumns:\n  k: {type: category}\n  x: {type: number}\n"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("target: k", "target: z", "target: 'z' is not among the columns"),
        ("target: k", "target: k\ntime: z", "time: 'z' is not among the columns"),
        ("target: k", "target: k\nslices: [z]", "slices: 'z' is not among the columns"),
        ("target: k", "target: k\ntime: k", "the target cannot be the time column"),
        ("k: {type: category}", "k: {type: number}", "of type category or integer"),
        ("task: binary", "task: regression", "of type number or integer"),
        ("task: binary", "task: guess", "schema.yaml.task: Input should be"),
        ("k: {type: category}", "k: {type: category, nullable: true}", "cannot be nullable"),
        ("x: {type: number}", "x: {type: time}", "no column is left to predict from"),
        ("x: {type: number}", "x: {type: number, range: [3, 1]}", r"a range is [lowest, highest]"),
        ("x: {type: number}", "x: {type: number, categories: [a]}", "only a category has"),
        ("x: {type: number}", "x: {type: boolean, range: [0, 1]}", "only a number or an integer"),
        ("x: {type: number}", "x: {type: money}", "columns.x.type: Input should be 'number'"),
        ("x: {type: number}", "x: {type: number, unit: mm}", "columns.x.unit: Extra inputs"),
        ("x: {type: number}", "x: number", "columns.x: Input should be a valid dictionary"),
    ],
)
def test_a_schema_that_cannot_be_is_refused(old, new, told, path):
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError) as mistake:
        schema.load(path)
    assert told in str(mistake.value)
