from collections import defaultdict
from inspect import signature
from typing import get_args, get_type_hints

from mlgitops.core import cli
from mlgitops.github import options


def test_an_option_of_a_variable_is_declared_once():
    """Two commands that take the same variable say the same of it."""
    helps = defaultdict(set)
    for place, _ in cli.CI.values():
        function = cli.function(place)
        hints = get_type_hints(function, include_extras=True)
        for name in signature(function).parameters:
            kind, option = get_args(hints[name])
            helps[option.envvar].add((kind, option.help))
    own = {get_args(one)[1].envvar for one in vars(options).values() if get_args(one)[1:]}
    assert own == {"BRANCH", "BODY", "CHANGES", "HEAD", "URL"}
    assert all(len(helps[variable]) == 1 for variable in own)
