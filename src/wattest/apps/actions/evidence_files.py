"""Quotes and collateral named on the command line: read, or refused with the word for what the file is instead.

Decided here: which other files are told by name, and that quote and collateral are swapped where each is the other. Not
decided here: what a quote and collateral are (``attestation.formats``), how a file is read (``bounded_file``).
"""

from __future__ import annotations

from pathlib import Path

from wattest.apps.actions.bounded_file import read_bounded
from wattest.attestation.endorsements import Endorsements, parse_endorsements
from wattest.attestation.evidence import Evidence, parse_evidence
from wattest.attestation.formats.collateral import MAX_COLLATERAL_BYTES, CollateralMalformed
from wattest.attestation.formats.quote import MAX_INPUT_BYTES, QuoteMalformed, parse_quote
from wattest.crypto.json_text import load_json
from wattest.errors import InputError
from wattest.receipt.json_fields import COLLATERAL, AnotherKindOfFile, kind_of

QUOTE = "a quote"


def read_quote(path: Path) -> Evidence:
    """The quote in a file.

    Raises: FileUnreadable, QuoteMalformed, AnotherKindOfFile.
    """
    data = read_bounded(path, MAX_INPUT_BYTES)
    try:
        return parse_evidence(data)
    except QuoteMalformed as error:
        raise _explained(error, path, data, QUOTE) from error


def read_collateral(path: Path) -> Endorsements:
    """The collateral in a file.

    Raises: FileUnreadable, CollateralMalformed, AnotherKindOfFile.
    """
    data = read_bounded(path, MAX_COLLATERAL_BYTES)
    try:
        return parse_endorsements(data)
    except CollateralMalformed as error:
        raise _explained(error, path, data, COLLATERAL) from error


def read_quote_and_collateral(quote: Path, collateral: Path) -> tuple[Evidence, Endorsements]:
    """Both; that each is the other is said of the two together.

    Raises: FileUnreadable, QuoteMalformed, CollateralMalformed, AnotherKindOfFile.
    """
    try:
        return read_quote(quote), read_collateral(collateral)
    except AnotherKindOfFile as error:
        said = error.fields["expected"], error.fields["actual"]
        if said == (QUOTE, COLLATERAL) and told_kind(read_bounded(collateral, MAX_COLLATERAL_BYTES)) == QUOTE:
            raise AnotherKindOfFile(
                f"this is {COLLATERAL}, where {QUOTE} is wanted: the two are swapped",
                hint="give the quote as QUOTE and the collateral behind --collateral",
                **error.fields,
            ) from error
        raise


def told_kind(data: bytes) -> str | None:
    """What a file of this product is, told by its form alone; None where it is none of them."""
    try:
        parse_quote(data)
    except QuoteMalformed:
        try:
            return kind_of(load_json(data))
        except ValueError:
            return None
    return QUOTE


def _explained(error: InputError, path: Path, data: bytes, wanted: str) -> InputError:
    """The refusal in plain words where the file is good for something else, else as it was."""
    kind = told_kind(data)
    if kind is None or kind == wanted:
        return error
    return AnotherKindOfFile(
        f"this is {kind}, where {wanted} is wanted",
        expected=wanted,
        actual=kind,
        path=str(path),
        hint=f"name {wanted}",
    )
