"""Whether an entry lies in a batch, as the modules and the payout contract ask.

Decided here: the order of the checks. Source: contracts/src/lib/EntryProof.sol.
"""

from __future__ import annotations

from wattest.messages.header import BatchHeader
from wattest.twin.batch import ENTRY_BYTES, EntryInclusion, verify_entry_inclusion
from wattest.twin.errors import EntryIndexOutOfRange, EntryLengthInvalid


def require_entry(header: BatchHeader, entry: EntryInclusion) -> None:
    """Check an entry's length and that it lies at its index under the header's root.

    Raises: EntryLengthInvalid, EntryIndexOutOfRange, or the merkle room's PathLengthWrong, RootMismatch.
    """
    if len(entry.payload) != ENTRY_BYTES:
        raise EntryLengthInvalid(len(entry.payload))
    if entry.index >= header.entry_count:
        raise EntryIndexOutOfRange(entry.index, header.entry_count)
    verify_entry_inclusion(header.root, header.entry_count, entry)
