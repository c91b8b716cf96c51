from mlgitops.git import lockfile


def stage(inputs, outputs, **more):
    return {
        "cmd": "run",
        "deps": [{"path": path, "md5": md5} for path, md5 in inputs.items()],
        "outs": [{"path": path, "md5": md5} for path, md5 in outputs.items()],
        **more,
    }


WHOLE = {"one": stage({"raw": "a" * 32}, {"mid": "b" * 32}), "two": stage({"mid": "b" * 32}, {})}


def test_a_lock_that_a_run_wrote_is_consistent():
    assert lockfile.inconsistent(WHOLE) == []
    assert lockfile.inconsistent({}) == []


def test_a_stage_that_reads_what_no_stage_wrote_is_named():
    found = lockfile.inconsistent(WHOLE | {"two": stage({"mid": "c" * 32}, {})})
    assert found == ["two reads mid cccccccc, one wrote bbbbbbbb"]


def test_the_same_inputs_with_other_outputs_contradict():
    other = WHOLE | {"one": stage({"raw": "a" * 32}, {"mid": "d" * 32})}
    assert lockfile.contradictions(WHOLE, WHOLE) == []
    assert lockfile.contradictions(other, WHOLE) == [
        "one: mid is dddddddd in dvc.lock, and running it makes bbbbbbbb"
    ]


def test_other_inputs_or_parameters_contradict_nothing():
    newer = {"one": stage({"raw": "e" * 32}, {"mid": "d" * 32})}
    tuned = {"one": stage({"raw": "a" * 32}, {"mid": "d" * 32}, params={"params.yaml": {"x": 1}})}
    assert lockfile.contradictions(newer, WHOLE) == lockfile.contradictions(tuned, WHOLE) == []
