"""The check of every request: columns against the signature, a few array operations in all."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mlgitops.serving.category_columns import Categories
from mlgitops.serving.contract import Signature, Table
from mlgitops.serving.errors import Refusal
from mlgitops.serving.number_columns import Counted, Numbers
from mlgitops.serving.values import SHOWN, name_list

Given = Mapping[str, Sequence[Any]]


class Columns:
    """The contract of a signature."""

    def __init__(self, signature: Signature, counted: Counted) -> None:
        """`counted` is told how many values the model's policy accepted."""
        self.inputs = {one.name: one for one in signature.inputs}
        self.names = frozenset(self.inputs)
        self.known = self.names.union(signature.ignored)
        self.numbers = Numbers(signature, counted)
        self.categories = Categories(signature, counted)

    def check_known(self, names: Collection[str]) -> None:
        """Refuse names that are neither an input nor another column of the model's own table."""
        if self.known.issuperset(names):
            return
        unknown = [str(name)[:SHOWN] for name in names if name not in self.known]
        what = f"{name_list(unknown)}: not among the model's columns"
        raise Refusal("unknown_column", what)

    def table(self, given: Given) -> Table:
        """What the model takes; a Refusal names the column and the first bad row.

        The columns are lists of one length, at least 1, of what JSON holds. Those of the table
        that are no inputs, as its target, are left out.
        """
        if given.keys() != self.names:
            self.check_known(given)
            if absent := sorted(self.names - given.keys()):
                what = f"{name_list(absent)}: missing from the request"
                raise Refusal("missing_column", what)
        table: Table = {}
        if self.numbers.columns:
            table = self.numbers.table([given[name] for name in self.numbers.order])
        for column, allowed in self.categories.columns:
            table[column.name] = self.categories.text(column, allowed, given[column.name])
        return table
