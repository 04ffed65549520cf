"""What trees and proofs refuse.

The subclasses of ``InclusionRefused`` and ``PayloadTooLong`` carry the names of the custom errors of
``MerkleRfc9162.sol``; all three implementations check in the order of ``docs/spec/merkle.md``, so one bad proof has one
name everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattest.crypto.errors import refused_setting
from wattest.errors import InputError, VerificationError

if TYPE_CHECKING:
    from wattest.crypto import native
    from wattest.errors import WattestError


class TreeInputInvalid(InputError):
    """Payloads, salts or an index from which no tree or proof can be made."""


class PayloadTooLong(TreeInputInvalid):
    """A payload over 118 bytes, or an item of an unsalted tree over 1,024 bytes."""


class ProofMalformed(InputError):
    """A proof whose parts are no proof at all: nodes that are not 32 bytes, numbers that are not unsigned integers."""


class InclusionRefused(VerificationError):
    """An inclusion proof or multiproof that does not hold."""


class EmptyTree(InclusionRefused):
    """Size 0: an empty tree has no root."""


class TreeTooLarge(InclusionRefused):
    """A size above 2**32 - 1."""


class IndexOutOfRange(InclusionRefused):
    """An index at or beyond the size."""


class PathLengthWrong(InclusionRefused):
    """A path of another length than index and size need."""


class NoIndices(InclusionRefused):
    """A multiproof over no leaf."""


class LeavesMismatch(InclusionRefused):
    """Leaves that do not pair up with the multiproof's indices."""


class IndicesNotAscending(InclusionRefused):
    """Indices out of order or repeated."""


class NodeCountWrong(InclusionRefused):
    """Missing or surplus nodes in a multiproof."""


class RootMismatch(InclusionRefused):
    """A proof of the right form that leads to another root."""


_REFUSALS: dict[str, type[InclusionRefused]] = {
    refusal.__name__: refusal
    for refusal in (
        EmptyTree,
        TreeTooLarge,
        IndexOutOfRange,
        PathLengthWrong,
        NoIndices,
        LeavesMismatch,
        IndicesNotAscending,
        NodeCountWrong,
        RootMismatch,
    )
}


_HINTS = {
    "BufferRefused": "hand over bytes or a C-contiguous buffer of bytes (numpy: ascontiguousarray(x).view('u1'))",
    "OutOfMemory": "build smaller trees, or a tree in a file (StoredTree)",
    "TooManyProofs": "ask in several calls",
}


def refusal(fault: native.Fault) -> WattestError:
    """The error for a fault met while verifying."""
    name, message, fields = fault.args
    if (setting := refused_setting(*fault.args)) is not None:
        return setting
    return _REFUSALS.get(name, InclusionRefused)(message, hint=_HINTS.get(name), **fields)


def unusable(fault: native.Fault) -> WattestError:
    """The error for a fault met while building a tree or a proof."""
    name, message, fields = fault.args
    if (setting := refused_setting(*fault.args)) is not None:
        return setting
    kind = PayloadTooLong if name == "PayloadTooLong" else TreeInputInvalid
    return kind(message, hint=_HINTS.get(name), fault=name, **fields)
