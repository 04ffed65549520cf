"""What can go wrong between a node of a chain and us, beside what the connection itself reports (``rpc``).

Decided here: the names and what each asks of the caller. Not decided here: when they are raised (``client``,
``sending``, ``pipeline``).
"""

from __future__ import annotations

from wattest.errors import ConfigError, InputError, ProtocolError, TransportError


class WrongChain(ConfigError):
    """The RPC address leads to another chain than the deployment's."""


class AccountUnfunded(ConfigError):
    """The sender cannot pay for the transaction and what it carries."""


class TransactionPending(TransportError):
    """Sent, but not mined or not deep enough yet; sending the same intent again continues to wait."""


class Reorganised(TransportError):
    """The chain dropped a block that was relied on; do the step again."""


class TransactionFailed(ProtocolError):
    """Mined and reverted, and the reason cannot be found by calling again."""


class IntentRepeated(InputError):
    """Two requests in flight at once carry one intent; the second could never be mined."""
