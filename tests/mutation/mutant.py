# SPDX-License-Identifier: BSD-3-Clause
"""One way to break the engine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str           # of the tree
    old: str            # must be there exactly once
    new: str
    breaks: str         # what is wrong then, in a sentence
    tests: tuple        # meson's names, `:filter` of Criterion behind; the likely killer first
    few: bool = False   # one of the five that ./test.sh runs
