"""TCB info and QE identity as the vendor signed them: one JSON object, whose fields are named when they are refused.

Decided here: which error a field that is not as it must be becomes, and how the vendor writes dates. A null is a value
of a wrong kind, never an absent one. Hex counts in either case: the vendor writes both. Not decided here: which fields
a statement has (``tcb_info``, ``qe_identity``). Source: Intel PCS API v4, appendix A.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from wattest.attestation.formats.collateral import MAX_COLLATERAL_BYTES, CollateralMalformed
from wattest.crypto.strict_fields import Field, Fields, Reader, Refusal

MAX_TEXT = 1_024
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def read_vendor_text(text: str, statement: str) -> Fields:
    """The fields of a statement ("TCB info", "QE identity").

    Raises:
        CollateralMalformed: when the text is not one JSON object, nested too deep, or repeats a key anywhere.
    """

    def refuse(refusal: Refusal) -> CollateralMalformed:
        return CollateralMalformed(
            f"the {statement}'s {refusal.where or 'whole'}: {refusal.message}",
            statement,
            reason=refusal.reason or "collateral_malformed",
            field=refusal.where,
            **refusal.details,
        )

    reader = Reader(refuse, shows_text=True)
    return reader.json(text.encode("utf-8", "surrogatepass"), MAX_COLLATERAL_BYTES).fields()


def read_date(field: Field) -> int:
    """A date as unix seconds: ISO 8601 in whole seconds of UTC, ``2026-01-31T00:00:00Z``."""
    text = field.matching(_DATE, "a date such as 2026-01-31T00:00:00Z")
    try:
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())
    except ValueError as error:
        raise field.refused("a date of the calendar such as 2026-01-31T00:00:00Z") from error
