"""What to do about a file or folder of another version than this program reads.

Decided here: the words. Not decided here: which versions there are: each format's page in docs/spec says its own, and
docs/spec/versions.md lists all that this program writes.
"""

from __future__ import annotations


def version_hint(known: int, found: int, *, older: str = "make it again with this version") -> str:
    """What to do: a newer program for a newer file, ``older`` for an older one."""
    if found > known:
        return f"it was written by a newer wattest (version {found}, this one reads {known}): install that one"
    return f"it was written by an older wattest (version {found}, this one reads {known}): {older}"
