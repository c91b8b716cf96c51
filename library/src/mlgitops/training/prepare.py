"""Split the data, and prepare the training rows as the project says."""

from pathlib import Path

import pandas as pd

from mlgitops.core import paths, pipeline_version
from mlgitops.core.files import replacing
from mlgitops.data import schema
from mlgitops.data.split import split_raw
from mlgitops.training import hooks


def prepare_raw(raw: Path, rules: schema.Schema) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The training rows as the project prepares them, and the test rows."""
    examples, held_out = split_raw(raw, rules)
    return hooks.prepare(examples, rules), held_out


def prepare(raw: Path = paths.RAW, train: Path = paths.TRAIN, test: Path = paths.TEST) -> None:
    """Split the data into training and test set, and prepare the training rows."""
    pipeline_version.check()
    examples, held_out = prepare_raw(raw, schema.load())
    for part, path in ((examples, train), (held_out, test)):
        with replacing(path) as temporary:
            part.to_parquet(temporary, index=False)
        print(f"{path}: {len(part)} rows")
