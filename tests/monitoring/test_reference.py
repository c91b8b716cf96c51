import numpy as np
import pytest
from mlgitops.core import paths
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.monitoring import reference
from mlgitops.training import exported_model


def test_the_commit_is_that_of_production_else_of_staging_else_head(workspace):
    first = repository.head()
    assert reference.commit_of("") == first
    workspace.release(first, "staging")
    second = workspace.commit("Release")
    assert reference.commit_of("") == first
    assert reference.commit_of("HEAD") == second


def test_a_reference_is_the_data_of_a_commit_and_what_its_model_says(workspace, monkeypatch):
    monkeypatch.setattr(exported_model, "load_isolated", exported_model.load)
    with reference.load(repository.head(), 100, 0) as known:
        assert (len(known.table), known.total) == (100, 240)
        assert len(known.test) == len(known.answer.values) == 48
        assert known.model == repository.lock("HEAD").model
        assert known.times(known.table) is None
        timed = known._replace(rules=known.rules.model_copy(update={"time": "x"}))
        x = known.table.assign(x=np.arange(100).astype("datetime64[s]"))
        assert len(set(np.diff(timed.times(x)))) == 1


def test_a_commit_that_was_never_trained_is_refused(workspace):
    paths.LOCK.unlink()
    workspace.commit()
    said = pytest.raises(UserError, match=r"has no data/raw.parquet in dvc.lock")
    with said, reference.load(repository.head(), 100, 0):
        pass
