"""`make data`: the user's table, and for a new one the first model."""

from mlgitops.core import config
from mlgitops.data.ingest import Words, request_of, take


def data(words: Words = None) -> None:
    """Take a table as the project's data; choose the first model where it is a new one."""
    request = request_of(words or [])
    is_new = take(request)
    if request.choose if request.choose is not None else is_new:
        from mlgitops.training.first_model import choose  # It loads scikit-learn, a second.

        try:
            print(choose())
        except KeyboardInterrupt:
            print(f"\nno model was chosen; {config.PARAMS} is as it was: make data CHOOSE=1")
            raise
