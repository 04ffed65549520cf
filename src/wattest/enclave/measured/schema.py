"""Strict reading of a map that came over the socket.

Decided here: that whatever a map may not be ends as ``RequestInvalid`` with its path. How a field is fetched with its
type and bounds is ``crypto.strict_fields``'s, which is measured with the rest; which fields a method has is
``service``'s and each job's. No text of a map is repeated in a refusal: it may be a secret.
"""

from __future__ import annotations

from wattest.crypto.strict_fields import Fields, Reader, Refusal
from wattest.enclave.measured.errors import RequestInvalid


def _refuse(refusal: Refusal) -> RequestInvalid:
    return RequestInvalid(f"{refusal.where}: {refusal.message}", field=refusal.where, **refusal.details)


_MAPS = Reader(_refuse, "a map")


def read_map(value: object, where: str) -> Fields:
    """The fields of a map, taken out one by one; ``close`` refuses what was not asked for.

    Raises: RequestInvalid, as all that is asked of the fields does.
    """
    return _MAPS.fields(value, where=where)
