"""Intel's Quote Verification Library, asked the same questions: an interpreter of its own that answers line by line.

Its Python wrapper wants an older cbor2 than the development packages, so it lives in an environment of its own
(``tools/intel_qvl.sh``); ``WATTEST_INTEL_QVL`` names that environment's interpreter.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.formats.quote import QuoteMalformed, parse_quote

JUDGE = """
import datetime, json, sys
import sgx_dcap_quote_verify as library
for line in sys.stdin:
    given = json.loads(line)
    given["quote"] = bytes.fromhex(given["quote"])
    try:
        given["expiration_date"] = datetime.datetime.fromtimestamp(given["expiration_date"], datetime.timezone.utc)
        result = library.verify(**given)
        names = [each.name for each in (result.pck_certificate_status, result.tcb_info_status,
                                        result.qe_identity_status, result.quote_status)]
    except Exception as error:
        names = ["RAISED " + type(error).__name__] * 4
    print(json.dumps(names), flush=True)
"""
# What the library calls a quote that holds, with a level to be judged by a policy.
LENIENT = frozenset(
    {
        *("STATUS_OK", "STATUS_TCB_OUT_OF_DATE", "STATUS_TCB_SW_HARDENING_NEEDED", "STATUS_TCB_CONFIGURATION_NEEDED"),
        *("STATUS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED", "STATUS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED"),
    }
)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)


@dataclass(frozen=True)
class Opinion:
    """The library's four statuses: PCK certificate, TCB info, QE identity, quote."""

    certificate: str
    tcb_info: str
    qe_identity: str
    quote: str

    @property
    def is_genuine(self) -> bool:
        """Whether every part holds; the level is a policy's to judge."""
        return (self.certificate, self.tcb_info, self.qe_identity) == ("STATUS_OK",) * 3 and self.quote in LENIENT

    @property
    def first_fault(self) -> str:
        """The first status that is not OK, else STATUS_OK."""
        statuses = (self.certificate, self.tcb_info, self.qe_identity, self.quote)
        return next((status for status in statuses if status != "STATUS_OK"), "STATUS_OK")


class IntelLibrary:
    """The library in its own process; a context manager."""

    def __init__(self, interpreter: str) -> None:
        self._interpreter = interpreter

    def __enter__(self) -> IntelLibrary:
        command = [self._interpreter, "-c", JUDGE]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def judge(self, quote: bytes, collateral: Collateral, root: bytes, at: int) -> Opinion:
        """The library's opinion at ``at`` (unix seconds) under a root (DER).

        The wrapper takes one signing chain for TCB info and QE identity: with two it is asked twice.
        """
        first = self._ask(quote, collateral, root, at, collateral.tcb_info_issuer_chain)
        if collateral.qe_identity_issuer_chain == collateral.tcb_info_issuer_chain:
            return first
        second = self._ask(quote, collateral, root, at, collateral.qe_identity_issuer_chain)
        return Opinion(first.certificate, first.tcb_info, second.qe_identity, first.quote)

    def _ask(self, quote: bytes, collateral: Collateral, root: bytes, at: int, signing_chain: str) -> Opinion:
        leaf, above = _chain_of(quote, collateral)
        given = {
            "trusted_root_ca_certificate": _pem(root),
            "pck_certificate": leaf,
            "pck_signing_chain": above,
            "root_ca_crl": collateral.root_ca_crl.hex(),
            "intermediate_ca_crl": collateral.pck_crl.hex(),
            "tcb_info": f'{{"tcbInfo":{collateral.tcb_info},"signature":"{collateral.tcb_info_signature.hex()}"}}',
            "tcb_signing_chain": signing_chain,
            "quote": quote.hex(),
            "qe_identity": (
                f'{{"enclaveIdentity":{collateral.qe_identity},"signature":"{collateral.qe_identity_signature.hex()}"}}'
            ),
            "expiration_date": at,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(given) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the library's process ended with {self._process.poll()}"
        return Opinion(*json.loads(answer))


def _chain_of(quote: bytes, collateral: Collateral) -> tuple[str, str]:
    """Leaf, and what stands above it: the library wants them apart, and does not take them out of the quote."""
    text = collateral.pck_certificate_chain
    if text is None:
        try:
            text = parse_quote(quote).certification_data.decode("latin-1")
        except QuoteMalformed:
            text = ""
    found = _PEM.findall(text)
    return (found[0], "".join(found[1:])) if found else ("", "")


def _pem(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
