"""What an operator was convicted or fined for: short text in one word, as events carry it.

Decided here: the encoding and the causes of the two modules that come with the core; another module has its own.
Source: contracts/src/DirectedChallenges.sol, FraudProofs.sol.
"""

from __future__ import annotations

from enum import StrEnum

from wattest.messages.fields import WORD, FieldInvalid, require_bytes


def cause_word(text: str) -> bytes:
    """ASCII text of at most 32 characters, left-aligned, then zeros.

    Raises: FieldInvalid.
    """
    if not text.isascii() or "\x00" in text or len(text) > WORD:
        raise FieldInvalid("a cause is short ASCII text", field="cause", expected=f"at most {WORD}", actual=text)
    return text.encode().ljust(WORD, b"\x00")


def cause_text(word: bytes) -> str:
    """The text of a cause; of a word that is none (a module may write anything), its hex digits.

    Raises: FieldInvalid for another length.
    """
    require_bytes("cause", word, WORD)
    text = word.rstrip(b"\x00")
    return text.decode() if text and all(0x20 <= byte < 0x7F for byte in text) else word.hex()


class SlashCause(StrEnum):
    """What directed challenges and fraud proofs convict for."""

    EXPIRED_CHALLENGE = "expired challenge"
    EQUIVOCATION = "equivocation"
    INVALID_EVIDENCE = "invalid evidence"

    @property
    def word(self) -> bytes:
        """The cause as calls and events carry it, 32 bytes."""
        return cause_word(self)
