"""One simulated SGX machine on disk: a folder with a seed, from which its keys, certificates and quotes follow.

Decided here: how the platform is kept and restored, and the small face that the rest of the simulator builds on. Not
decided here: what is measured, how enclaves are run, how they seal.

Invariants: the folder's one file is written whole or not at all, readable by its owner only; a restored platform is
the same platform (ids, keys, certificates). The seed stands for the secrets fused into a processor: an enclave's host
could read it here, which is why production policy refuses every root but Intel's.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from functools import cached_property
from pathlib import Path

from wattest.attestation.evidence import platform_id
from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.formats.quote import EnclaveReport
from wattest.crypto.strict_fields import Reader
from wattest.enclave.simulator.collateral import CollateralOptions, issue_collateral
from wattest.enclave.simulator.pki import SEED_BYTES, SimulatedPki
from wattest.enclave.simulator.quoting import DEFAULT_ATTRIBUTES, QuotingEnclave
from wattest.errors import ConfigError, InputError, TransportError

PLATFORM_FILE = "platform.json"
PLATFORM_FORMAT = "wattest-simulated-platform/1"
ROOT_FILE = "root.pem"
_MAX_PLATFORM_FILE_BYTES = 4_096


class PlatformExists(ConfigError):
    """A folder that already holds a simulated platform was given for a new one."""


class PlatformFileMalformed(InputError):
    """The folder's platform file is missing, damaged or of another version."""


class PlatformUnwritable(TransportError):
    """The folder for a new simulated platform cannot be written."""


class SimulatedPlatform:
    """A simulated machine: its root certificate, its collateral for any time, and its quotes; kept in ``folder``."""

    def __init__(self, pki: SimulatedPki, folder: Path | None = None) -> None:
        self.pki = pki
        self.folder = folder
        self.quoting_enclave = QuotingEnclave(pki)

    @classmethod
    def create(cls, folder: Path, now: int, *, published_root: bool = False) -> SimulatedPlatform:
        """Make a new platform in ``folder`` (made if absent) with a fresh seed; ``now`` is unix seconds.

        Certificates are valid from a day before ``now``. With ``published_root`` its quotes verify under
        ``--root simulator`` on any machine; else under the ``root.pem`` that is written beside the seed.

        Raises:
            PlatformExists: when the folder already holds one.
            PlatformUnwritable: when the folder cannot be made or written.
        """
        if (folder / PLATFORM_FILE).exists():
            raise PlatformExists(
                f"{folder} already holds a simulated platform",
                hint="open it, or choose an empty folder",
                folder=str(folder),
            )
        pki = SimulatedPki.create(secrets.token_bytes(SEED_BYTES), now, published_root=published_root)
        platform = cls(pki, folder)
        stored = {
            "format": PLATFORM_FORMAT,
            "warning": "wattest simulator, not Intel: whoever reads this file can forge this platform's quotes",
            "seed": platform.pki.seed.hex(),
            "created_at": now,
            "published_root": published_root,
        }
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_whole(folder / ROOT_FILE, platform.pki.root_certificate_pem)
            _write_whole(folder / PLATFORM_FILE, json.dumps(stored, indent=2).encode() + b"\n")
        except OSError as error:
            raise PlatformUnwritable(
                f"cannot keep a simulated platform in {folder}: {error.strerror}",
                retryable=False,
                hint="choose a folder that you may write",
                folder=str(folder),
            ) from error
        return platform

    @classmethod
    def open(cls, folder: Path) -> SimulatedPlatform:
        """Restore the platform kept in ``folder``.

        Raises:
            PlatformFileMalformed: when there is none, or its file is damaged.
        """
        path = folder / PLATFORM_FILE

        def refused(message: str) -> PlatformFileMalformed:
            return PlatformFileMalformed(
                f"{path} is not a readable platform file ({message})",
                hint="restore the folder, or make a new platform; what was sealed on the old one stays sealed",
                path=str(path),
            )

        try:
            with path.open("rb") as file:
                data = file.read(_MAX_PLATFORM_FILE_BYTES + 1)
        except OSError as error:
            raise refused(str(error.strerror)) from error
        # No refusal repeats a text of the file, which holds the seed.
        reader = Reader(lambda refusal: refused(f"{refusal.where or 'the whole'}: {refusal.message}"))
        stored = reader.json(data, _MAX_PLATFORM_FILE_BYTES).fields()
        if (said := stored["format"].text(_MAX_PLATFORM_FILE_BYTES)) != PLATFORM_FORMAT:
            raise PlatformFileMalformed(
                f"{path} is a platform file of another version",
                hint="run the wattest that made it, or make a new platform; what was sealed on it stays sealed",
                path=str(path),
                expected=PLATFORM_FORMAT,
                actual=said[:64],
            )
        seed, created_at = stored["seed"].hex(SEED_BYTES), stored["created_at"].uint(32)
        pki = SimulatedPki.create(seed, created_at, published_root=stored["published_root"].boolean())
        return cls(pki, folder)

    @classmethod
    def open_or_create(cls, folder: Path, now: int, *, published_root: bool = False) -> SimulatedPlatform:
        """Restore the platform in ``folder``, or make one there."""
        if (folder / PLATFORM_FILE).exists():
            return cls.open(folder)
        return cls.create(folder, now, published_root=published_root)

    @property
    def root_certificate(self) -> bytes:
        """The root certificate under which this platform's quotes verify, DER."""
        return self.pki.root_certificate

    @property
    def root_certificate_pem(self) -> bytes:
        """The same as PEM."""
        return self.pki.root_certificate_pem

    @cached_property
    def platform_id(self) -> bytes:
        """The 32-byte id that appraisal finds in this platform's quotes."""
        return platform_id(self.root_certificate, self.pki.ppid)

    def collateral(self, now: int, options: CollateralOptions | None = None) -> Collateral:
        """Fresh collateral issued at ``now`` (unix seconds), valid for 30 days; issue it again as time moves on."""
        return issue_collateral(self.pki, now, options)

    def quote(
        self,
        *,
        measurement: bytes,
        signer: bytes,
        product: int,
        svn: int,
        report_data: bytes,
        attributes: bytes = DEFAULT_ATTRIBUTES,
        misc_select: int = 0,
    ) -> bytes:
        """A DCAP version 3 quote: measurement 32, signer 32, attributes 16 (flags || XFRM), report data 64 bytes."""
        for name, value, size in (
            ("measurement", measurement, 32),
            ("signer", signer, 32),
            ("attributes", attributes, 16),
            ("report data", report_data, 64),
        ):
            if len(value) != size:
                raise ValueError(f"{name} has {size} bytes, not {len(value)}")
        report = EnclaveReport(
            mr_enclave=measurement,
            mr_signer=signer,
            product=product,
            svn=svn,
            report_data=report_data,
            attributes=attributes,
            misc_select=misc_select,
        )
        return self.quoting_enclave.quote(report)

    def derive_secret(self, label: str, length: int = 32) -> bytes:
        """A secret of the simulated hardware for one purpose, for example the root of all sealing keys.

        Labels that begin with ``key/`` and ``public/`` are the PKI's own.
        """
        return self.pki.derive_secret(label, length)


def _write_whole(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # created with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
