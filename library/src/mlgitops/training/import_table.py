"""`make data`: the user's table, and for a new one the first model."""

from mlgitops.core import config
from mlgitops.core.errors import UserError
from mlgitops.data.ingest import Words, request_of, take


def data(words: Words = None) -> None:
    """Take a table as the project's data; choose the first model where it is a new one."""
    request = request_of(words or [])
    is_new = take(request)
    if request.choose if request.choose is not None else is_new:
        from mlgitops.training.first_model import choose  # It loads scikit-learn, a second.

        again = f"no model was chosen, {config.PARAMS} is as it was. Then: make data CHOOSE=1"
        try:
            print(choose())
        except KeyboardInterrupt:
            print(f"\n{again}")
            raise
        except UserError as error:
            # The table is imported all the same; a feature of another table fails here, for one.
            if request.choose:
                raise
            print(f"\n{error}\n{again}")
