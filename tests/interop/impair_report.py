# SPDX-License-Identifier: BSD-3-Clause
"""What the JSON of the program impair promises, for all who read it. Runs nothing."""

WAYS = ("a_to_b", "b_to_a")
GONE = ("lost", "drop_queue", "drop_hold", "drop_mbuf", "refused", "undelivered")


def adds_up(one):
    """Is every frame of a direction accounted for?"""
    return one["received"] + one["duplicated"] == one["sent"] + sum(one[name] for name in GONE)
