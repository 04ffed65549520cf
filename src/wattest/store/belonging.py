"""Whose data a node's folder holds: one account of one referee on one chain, noted once.

Decided here: that a database serves the account and the contracts that it began with, and what is said to any other.
Not decided here: which account and contracts those are (a configuration says so). Another operator's key would show its
standing beside this one's batches, and send what the contract refuses. A database in which nothing is noted yet (of a
version before this table, or whose node never got as far) is asked for the account by what it sealed, then by what it
sent; one that did neither is anybody's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from wattest.errors import ConfigError
from wattest.store.database import Database

BELONGING_TABLE = "CREATE TABLE belonging (name TEXT PRIMARY KEY, value BLOB NOT NULL);"
_REMEDIES = {
    "account": "name the key file that this folder was made with, or another data folder for this key",
    "genesis_hash": "this folder is of another chain: name another data folder, or the chain's own deployment.json",
    "referee": "this folder is of another deployment: name another data folder, or its own deployment.json",
}


class DataOfAnother(ConfigError):
    """A node's folder that was made with another key, or for another chain or deployment, than the configuration's."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Account and referee (20 bytes each) and the chain's genesis (32)."""

    account: bytes
    genesis_hash: bytes
    referee: bytes


class SqliteBelonging:
    """The table of one database; ``sealed_by`` gives the account whose batches lie beside it, if any do."""

    def __init__(self, database: Database, sealed_by: Callable[[], bytes | None] = lambda: None) -> None:
        self._database = database
        self._sealed_by = sealed_by

    def require(self, owner: Owner) -> None:
        """Refuse another's data; changes nothing.

        Raises: DataOfAnother, with everything that differs.
        """
        known = self._known()
        wanted: dict[str, bytes] = asdict(owner)
        wrong = {name: value for name, value in known.items() if wanted[name] != value}
        if wrong:
            raise DataOfAnother(
                "the data folder is another's",
                path=self._database.path,
                differences=[
                    {"what": name, "here": "0x" + wanted[name].hex(), "data": "0x" + value.hex(), "do": _REMEDIES[name]}
                    for name, value in wrong.items()
                ],
                hint=_REMEDIES[next(iter(wrong))],
            )

    def claim(self, owner: Owner) -> None:
        """Note whose data this is, at the first time; later it is only compared. Raises as ``require``."""
        self.require(owner)
        with self._database.transaction():
            for name, value in asdict(owner).items():
                self._database.run("INSERT OR IGNORE INTO belonging VALUES (?, ?)", name, value)

    def _known(self) -> dict[str, bytes]:
        rows: list[Any] = self._database.rows("SELECT name, value FROM belonging")
        if rows:
            return {name: value for name, value in rows if name in _REMEDIES}
        account = self._sealed_by()
        if account is not None:
            return {"account": account}
        senders: list[Any] = self._database.rows("SELECT DISTINCT sender FROM sent_transaction LIMIT 2")
        return {"account": senders[0][0]} if len(senders) == 1 else {}
