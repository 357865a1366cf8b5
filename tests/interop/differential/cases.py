# SPDX-License-Identifier: BSD-3-Clause
"""The table of scripts: what the files cases_*.py put into it."""

TABLE = {}                      # name: (function, arguments, families, slow)


def case(*, over=(4, 6), slow=False, **each):
    """A script of the function's name; with each=(...) one for every value. `slow`: it waits for
    timers of seconds, and begins first."""
    def put(function):
        (key, values), = each.items() or [(None, [None])]
        for value in values:
            name = function.__name__.replace("_", " ") + (f": {value}" if key else "")
            assert name not in TABLE, name
            TABLE[name] = (function, {key: value} if key else {}, over, slow)
        return function
    return put


def runs():
    """[(id, function, arguments, family, slow)], slow ones first."""
    made = [(f"{name} ({'IPv' + str(family)})", function, arguments, family, slow)
            for name, (function, arguments, over, slow) in TABLE.items() for family in over]
    return sorted(made, key=lambda r: not r[4])
