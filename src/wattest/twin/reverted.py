"""What every refusal of a contract has in common: the custom error's name, its parameters as fields, words and a hint.

Decided here: the base class. The refusals themselves are in ``errors`` and ``dcap_errors``, made from the contracts.
"""

from __future__ import annotations

import sys
from typing import ClassVar

from wattest.errors import ProtocolError


class Reverted(ProtocolError):
    """The base of all refusals; fields are given in the order of ``arguments``."""

    arguments: ClassVar[tuple[str, ...]] = ()
    advice: ClassVar[str | None] = None

    def __init__(self, *values: object) -> None:
        fields = dict(zip(type(self).arguments, values, strict=True))
        message = " ".join((type(self).__doc__ or type(self).__name__).split()).rstrip(".")
        super().__init__(message, hint=type(self).advice, **fields)

    def __reduce__(self) -> tuple[type[Reverted], tuple[object, ...]]:
        return type(self), tuple(self.fields.values())


def reverts_in(module: str) -> dict[str, type[Reverted]]:
    """The refusals that a module defines, by name."""
    return {
        name: kind
        for name, kind in vars(sys.modules[module]).items()
        if isinstance(kind, type) and issubclass(kind, Reverted) and kind.__module__ == module
    }
