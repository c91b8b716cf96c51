from pathlib import Path

import pandas as pd
from mlgitops.training import prepare


def test_the_stage_writes_both_parts_with_the_columns_of_the_schema(project, frame):
    frame.assign(extra=1).to_parquet("data/raw.parquet")
    paths = Path("data/train.parquet"), Path("data/test.parquet")
    prepare.prepare(Path("data/raw.parquet"), *paths)
    train, test = map(pd.read_parquet, paths)
    assert len(train) + len(test) == 40
    assert list(train) == list(test) == list(frame)
    assert str(train["count"].dtype) == "int64"
