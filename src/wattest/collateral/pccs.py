"""Fetching collateral from a caching service (PCCS) or from Intel's own (PCS): bounded, retried, refused closed.

Decided here: what is asked, which answers are tried again and when, which addresses may be asked without TLS, and that
nothing is handed on that does not hold under the trusted root for the platform asked for. Not decided here: what is
said on the wire (``pccs_wire``), what holds (``attestation.collateral_check``), where it is kept (``collateral_file``).

Invariants: redirects are not followed; no answer is larger than its limit; the time is bounded by attempts, deadline
and the longest wait; TLS is needed except on the loopback interface: the collateral is signed, but who answers in the
service's place could hold back a revocation until the old list ends. docs/spec/collateral-service.md
"""

from __future__ import annotations

import http.client
import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from cryptography import x509

from wattest.attestation.collateral_check import verify_collateral
from wattest.attestation.endorsements import Endorsements, endorse
from wattest.attestation.formats.collateral import MAX_COLLATERAL_BYTES, Collateral
from wattest.attestation.formats.der import X509_FAULTS
from wattest.attestation.platform_model import PlatformModel
from wattest.attestation.roots import TrustRoot
from wattest.collateral.pccs_wire import (
    CHAIN_FIELDS,
    JSON_TYPE,
    LIST_TYPES,
    MAX_LIST_BYTES,
    MAX_STATEMENT_BYTES,
    Item,
    ServiceAnswerMalformed,
    ServiceKind,
    parse_chain_field,
    parse_revocation_list,
    parse_signed_statement,
    path_of,
)
from wattest.errors import ConfigError, TransportError
from wattest.io.http_exchange import AnswerTooLarge, DeadlinePassed, HttpAnswer, HttpPeer
from wattest.io.loopback import is_loopback
from wattest.url_text import show_url

INTEL_PCS_HOST = "api.trustedservices.intel.com"
CLOCK_TOLERANCE_S = 300
MAX_WAIT_S = 60.0
MAX_TLS_AUTHORITY_BYTES = 256 * 1024
_FIRST_WAIT_S = 0.5
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_STATEMENTS = frozenset({Item.TCB_INFO, Item.QE_IDENTITY})


class CollateralServiceDown(TransportError):
    """A collateral service that gave no usable answer to any try; ``url``, ``status`` and ``cause`` say what came."""


class CollateralNotServed(TransportError):
    """A definite refusal: the service answers, and not with this collateral."""


class InsecureService(ConfigError):
    """An address without TLS that is not this machine's own."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Where collateral is asked for, and how patiently.

    Seconds for each read, for each whole request, for the longest pause between tries; ``tls_authorities`` (PEM) take
    the place of the system's: a PCCS often has a certificate of its own. ``root_list_url`` is where a PCS's root list
    is; without it the trusted root's own distribution point counts. ``clock_tolerance_s`` is how far an issue date may
    lie ahead of this machine's clock.
    """

    url: str = field(repr=False)
    kind: ServiceKind | None = None
    timeout_s: float = 10.0
    deadline_s: float = 60.0
    max_attempts: int = 4
    max_wait_s: float = MAX_WAIT_S
    tls_authorities: bytes | None = field(default=None, repr=False)
    root_list_url: str | None = field(default=None, repr=False)
    unsafe_http: bool = False
    clock_tolerance_s: int = CLOCK_TOLERANCE_S


@dataclass(frozen=True, slots=True)
class FetchedCollateral:
    """Collateral that holds, and how far this machine's clock is ahead of the service's (None: it gave no time)."""

    endorsements: Endorsements
    clock_ahead_s: int | None


class CollateralService:
    """One collateral service as a client sees it."""

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._tls = _tls(settings.tls_authorities)
        self._peer = self._peer_at(settings.url)
        self._prefix = self._peer.path.rstrip("/")
        self.kind = settings.kind or (ServiceKind.PCS if self._peer.host == INTEL_PCS_HOST else ServiceKind.PCCS)
        self._sleep, self._clock, self._report = sleep, clock, report
        self._ahead: list[int] = []

    def fetch_collateral(self, model: PlatformModel, root: TrustRoot, now: int) -> FetchedCollateral:
        """Ask for a platform model's collateral, and check it under ``root`` at ``now`` (unix seconds).

        Raises:
            CollateralServiceDown: no usable answer; worth trying again later.
            CollateralNotServed: a refusal, a redirect.
            ServiceAnswerMalformed: an answer of a wrong type, size or form.
            CollateralRefused, CollateralMalformed: an answer that does not hold, or is for other platforms.
        """
        self._ahead.clear()
        tcb_info = self._ask(Item.TCB_INFO, model)
        quoting = self._ask(Item.QE_IDENTITY, model)
        pck_list = self._ask(Item.PCK_LIST, model)
        root_list = self._root_list(model, root)
        platform_text = parse_signed_statement(tcb_info.body, Item.TCB_INFO)
        quoting_text = parse_signed_statement(quoting.body, Item.QE_IDENTITY)
        endorsements = endorse(
            Collateral(
                pck_crl_issuer_chain=_chain(pck_list, Item.PCK_LIST),
                root_ca_crl=parse_revocation_list(root_list.body, Item.ROOT_LIST),
                pck_crl=parse_revocation_list(pck_list.body, Item.PCK_LIST),
                tcb_info_issuer_chain=_chain(tcb_info, Item.TCB_INFO),
                tcb_info=platform_text.text,
                tcb_info_signature=platform_text.signature,
                qe_identity_issuer_chain=_chain(quoting, Item.QE_IDENTITY),
                qe_identity=quoting_text.text,
                qe_identity_signature=quoting_text.signature,
            )
        )
        size = len(endorsements.collateral.to_json())
        if size > MAX_COLLATERAL_BYTES:
            raise ServiceAnswerMalformed(
                Item.PCK_LIST, "makes the collateral too large", actual=size, expected=MAX_COLLATERAL_BYTES
            )
        verify_collateral(endorsements, model, root, now, tolerance_s=self._settings.clock_tolerance_s)
        # The answer whose clock differs least: a cache between may repeat an old date, none can make it newer.
        return FetchedCollateral(endorsements, min(self._ahead, key=abs, default=None))

    def _root_list(self, model: PlatformModel, root: TrustRoot) -> HttpAnswer:
        named = self._settings.root_list_url
        if named is None and self.kind is ServiceKind.PCCS:
            return self._ask(Item.ROOT_LIST, model)
        url = named if named is not None else _distribution_point(root)
        peer = self._peer_at(url)
        return self._request(peer, url, peer.target, Item.ROOT_LIST)

    def _ask(self, item: Item, model: PlatformModel) -> HttpAnswer:
        path = path_of(item, model)
        return self._request(self._peer, self._settings.url.rstrip("/") + path, self._prefix + path, item)

    def _request(self, peer: HttpPeer, url: str, path: str, item: Item) -> HttpAnswer:
        self._report(f"asking for the {item}: {show_url(url)}")
        limit = MAX_STATEMENT_BYTES if item in _STATEMENTS else 2 * MAX_LIST_BYTES  # a list may come as hex
        wait_s = _FIRST_WAIT_S
        status: int | None = None
        for attempt in range(1, self._settings.max_attempts + 1):
            asked_s: float | None = None
            try:
                answer = peer.exchange("GET", path, limit)
            except AnswerTooLarge as error:
                raise ServiceAnswerMalformed(item, f"is larger than {limit} bytes", url=url) from error
            except ssl.SSLCertVerificationError as error:
                raise CollateralServiceDown(
                    "the collateral service's TLS certificate is not trusted",
                    retryable=False,
                    url=url,
                    cause=error.verify_message,
                    hint="a PCCS with a certificate of its own needs --tls-ca with the file of its authority",
                ) from error
            except (DeadlinePassed, OSError, http.client.HTTPException) as error:
                status, cause = None, f"{type(error).__name__}: {error}"
            else:
                status, cause = answer.status, f"status {answer.status}"
                if status == 200:
                    self._note_clock(answer)
                    _verify_type(answer, item, url)
                    return answer
                if status not in _RETRIED:
                    raise _refusal(answer, item, url)
                asked_s = _retry_after(answer)
            if asked_s is not None and asked_s > self._settings.max_wait_s:
                cause += f", to be tried again in {asked_s:g} s"
                break
            if attempt < self._settings.max_attempts:
                # Up to half as much again, so that many machines that lost one service do not return as one.
                pause_s = min(wait_s * (1 + secrets.randbelow(1_000) / 2_000), self._settings.max_wait_s)
                pause_s = max(pause_s, asked_s or 0.0)
                self._report(f"{cause}; trying again in {pause_s:.1f} s")
                self._sleep(pause_s)
                wait_s *= 2
        raise CollateralServiceDown(
            f"the collateral service gives no {item}",
            retryable=True,
            url=url,
            status=status,
            attempts=attempt,
            cause=cause,
            hint="try again later; collateral that is there stays as it is",
        )

    def _note_clock(self, answer: HttpAnswer) -> None:
        text = answer.field("date")
        try:
            moment = parsedate_to_datetime(text) if text is not None and len(text) < 64 else None
        except (ValueError, OverflowError):
            return
        if moment is not None:
            aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            self._ahead.append(round(self._clock() - aware.timestamp()))

    def _peer_at(self, url: str) -> HttpPeer:
        settings = self._settings
        peer = HttpPeer(url, timeout_s=settings.timeout_s, deadline_s=settings.deadline_s, tls=self._tls)
        if not peer.secure and not settings.unsafe_http and not is_loopback(peer.host):
            raise InsecureService(
                "a collateral service is asked over TLS",
                url=url,
                hint="use https://, or --unsafe-http if you accept that others on the way may hold back revocations",
            )
        return peer


def _verify_type(answer: HttpAnswer, item: Item, url: str) -> None:
    named = (answer.field("content-type") or "").partition(";")[0].strip().lower()
    allowed = {JSON_TYPE} if item in _STATEMENTS else LIST_TYPES
    if named not in allowed:
        raise ServiceAnswerMalformed(
            item, "came with a wrong content type", url=url, expected=sorted(allowed), actual=named[:64]
        )


def _refusal(answer: HttpAnswer, item: Item, url: str) -> CollateralNotServed:
    hint = "check the address, and that the service knows this platform (its FMSPC)"
    if answer.status == 401:
        hint = "the service wants a key; wattest sends none: ask a PCCS that needs none for collateral"
    elif 300 <= answer.status < 400:
        hint = "redirects are not followed: name the address that it leads to, if you trust it"
    return CollateralNotServed(
        f"the collateral service does not serve the {item}",
        retryable=False,
        url=url,
        status=answer.status,
        answer="".join(
            character for character in answer.body[:200].decode(errors="replace") if character.isprintable()
        ),
        hint=hint,
    )


def _chain(answer: HttpAnswer, item: Item) -> str:
    for name in CHAIN_FIELDS[item]:
        if any(key == name for key, _ in answer.fields):
            return parse_chain_field(answer.field(name), item)
    return parse_chain_field(None, item)


def _retry_after(answer: HttpAnswer) -> float | None:
    text = answer.field("retry-after")
    return float(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 7 else None


def _tls(authorities: bytes | None) -> ssl.SSLContext | None:
    if authorities is None:
        return None
    try:
        context = ssl.create_default_context(cadata=authorities.decode("ascii"))
        if not context.get_ca_certs():
            raise ValueError("no certificate authority in it")
    except (ValueError, ssl.SSLError) as error:
        raise ConfigError(
            "the TLS authorities cannot be read", cause=str(error), hint="--tls-ca takes certificates in PEM"
        ) from error
    return context


def _distribution_point(root: TrustRoot) -> str:
    try:
        points = x509.load_der_x509_certificate(root.certificate).extensions.get_extension_for_class(
            x509.CRLDistributionPoints
        )
        for point in points.value:
            for name in point.full_name or []:
                if isinstance(name, x509.UniformResourceIdentifier):
                    return name.value
    except X509_FAULTS:
        pass
    raise ConfigError(
        "the trusted root names no address of its revocation list",
        root=root.shown,
        hint="name it by --root-crl-url, or ask a PCCS",
    )
