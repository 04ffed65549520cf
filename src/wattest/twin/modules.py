"""The contracts that a channel lets act on its batches and operators, and the four powers.

Decided here: a grant and its limits. Not decided here: what a power does (``referee.powers``), what a module's terms
mean (the module). Source: contracts/src/types/Module.sol, referee/ChannelBook.sol.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from wattest.messages.fields import ADDRESS_BYTES, require_bytes, require_uint

MAX_MODULES = 8
MAX_HOLDERS = 4


class Power(IntFlag):
    """What the core does for a module, once a channel grants it."""

    CONVICT = 1
    FINE = 2
    HOLD = 4
    SET_STAKE = 8


ALL_POWERS = int(Power.CONVICT | Power.FINE | Power.HOLD | Power.SET_STAKE)
CHALLENGE_POWERS = int(Power.CONVICT | Power.HOLD)
"""What directed challenges need of a channel."""
FRAUD_PROOF_POWERS = int(Power.CONVICT | Power.FINE)
"""What fraud proofs need of a channel."""


@dataclass(frozen=True, slots=True)
class ModuleGrant:
    """A module's 20-byte address and the sum of its powers, one byte; a channel takes 1 to 15."""

    module: bytes
    powers: int

    def __post_init__(self) -> None:
        require_bytes("module", self.module, ADDRESS_BYTES)
        require_uint("powers", self.powers, 8)

    def has(self, power: Power) -> bool:
        """Whether the grant holds this power."""
        return bool(self.powers & power)
