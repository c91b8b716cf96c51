"""The category columns of a request."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlgitops.serving.contract import Input, Signature
from mlgitops.serving.number_columns import Counted
from mlgitops.serving.reading import read
from mlgitops.serving.values import missing, value_refusal


class Categories:
    """Their contract."""

    def __init__(self, signature: Signature, counted: Counted) -> None:
        """With the values of each that need no second look."""
        self.columns = [(one, values_of(one)) for one in signature.inputs if one.type == "category"]
        self.accepts_unknown = signature.unknown_category == "accept"
        self.counted = counted

    def text(self, column: Input, allowed: frozenset[str | None], given: Sequence[Any]) -> Any:
        """A category as objects of shape (rows, 1)."""
        try:
            known = allowed.issuperset(given)
        except TypeError:  # A list or an object, which has no hash.
            known = False
        if not known:
            given = read(column, given)
            self.look(column, allowed, given)
        if column.nullable:
            given = ["" if missing(value) else value for value in given]
        array = np.empty((len(given), 1), dtype=object)
        array[:, 0] = given
        return array

    def look(self, column: Input, allowed: frozenset[str | None], given: Sequence[Any]) -> None:
        """Refuse or count the values of a category that are not among the allowed ones."""
        unknown = 0
        for row, value in enumerate(given):
            if missing(value):
                if not column.nullable:
                    raise value_refusal("missing_value", column.name, "has no value", row)
            elif type(value) is not str:
                raise value_refusal("wrong_type", column.name, "is not text", row, value)
            elif column.categories is not None and value not in allowed:
                if not self.accepts_unknown:
                    rule = f"is not one of {', '.join(column.categories[:8])}"
                    rule += " and more" * (len(column.categories) > 8)
                    raise value_refusal("unknown_category", column.name, rule, row, value)
                unknown += 1
        if unknown:
            self.counted("unknown_category", column.name, unknown)


def values_of(column: Input) -> frozenset[str | None]:
    """The values of a category that need no second look."""
    return frozenset((*(column.categories or ()), *((None, "") if column.nullable else ())))
