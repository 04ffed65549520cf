"""TLS 1.3 between enclaves, fed with bytes: the host carries ciphertext, the keys stay in here.

Decided here: version, that both sides show a certificate and its key, and that no session is resumed. Not decided here:
whether the peer's certificate is good (``peer``, with ``attestation.ra_tls``). Invariants: no file, no socket, no trust
store and no name is looked at; ``peer_certificate`` is only there once the peer has shown the private key; plaintext is
neither given out nor taken before the handshake ends.
Source: RFC 8446; docs/spec/ra-tls.md, section "TLS".
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

from wattest.attestation.ra_tls import MAX_CERTIFICATE_BYTES
from wattest.enclave.measured.errors import TlsFailed

_READ_BYTES = 1 << 16
_SESSION_CACHE_OFF = SSL.SESS_CACHE_OFF


class TlsEndpoint:
    """One end of one connection: ``feed`` ciphertext, take ``outgoing`` ciphertext, and plaintext both ways."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey, certificate: bytes, *, is_server: bool) -> None:
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_max_proto_version(SSL.TLS1_3_VERSION)
        context.set_session_cache_mode(_SESSION_CACHE_OFF)
        context.set_options(SSL.OP_NO_TICKET)
        context.use_certificate(x509.load_der_x509_certificate(certificate))
        context.use_privatekey(private_key)
        context.check_privatekey()
        # No authority stands behind a self-signed certificate: what makes it good is judged by ``peer``, right after.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _take_for_now)
        self._connection = SSL.Connection(context, None)
        if is_server:
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether the handshake ended: the peer holds the key of its certificate, and both agree on every byte."""
        return self._is_open

    def feed(self, ciphertext: bytes) -> None:
        """Take bytes from the peer and go on with the handshake.

        Raises: TlsFailed.
        """
        if ciphertext:
            self._connection.bio_write(ciphertext)
        if self._is_open:
            return
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            raise _failed("the TLS handshake failed", error) from error
        if self._connection.get_protocol_version() != SSL.TLS1_3_VERSION:
            raise TlsFailed("the connection is not TLS 1.3", actual=self._connection.get_protocol_version_name())
        self._is_open = True

    def outgoing(self) -> bytes:
        """The bytes that wait for the peer, taken out."""
        pieces: list[bytes] = []
        while True:
            try:
                pieces.append(self._connection.bio_read(_READ_BYTES))
            except SSL.WantReadError:
                return b"".join(pieces)

    def peer_certificate(self) -> bytes:
        """The peer's certificate, DER, whose private key it has shown.

        Raises: TlsFailed before the handshake ends.
        """
        found = self._connection.get_peer_certificate() if self._is_open else None
        if found is None:
            raise TlsFailed("the peer has shown no certificate")
        # As bytes, not parsed here: OpenSSL lets certificates pass that another parser refuses, each in its own way.
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, found)[: MAX_CERTIFICATE_BYTES + 1]

    def read(self) -> bytes:
        """The plaintext that has come, taken out.

        Raises: TlsFailed when a record does not hold, or when the peer ended the connection.
        """
        pieces: list[bytes] = []
        while True:
            try:
                pieces.append(self._connection.recv(_READ_BYTES))
            except SSL.WantReadError:
                return b"".join(pieces)
            except SSL.ZeroReturnError as error:
                if pieces:
                    return b"".join(pieces)
                raise TlsFailed("the peer ended the connection", hint="its host knows why") from error
            except SSL.Error as error:
                raise _failed("a TLS record does not hold", error) from error

    def write(self, plaintext: bytes) -> None:
        """Encrypt bytes for the peer; they wait in ``outgoing``. Raises: TlsFailed."""
        try:
            self._connection.sendall(plaintext)
        except SSL.Error as error:
            raise _failed("nothing more can be sent", error) from error


def _take_for_now(*_: object) -> bool:
    return True


def _failed(what: str, error: SSL.Error) -> TlsFailed:
    said = [str(part[-1]) for part in error.args[0]] if error.args and isinstance(error.args[0], list) else []
    reason = "; ".join(said)[:200] or type(error).__name__
    return TlsFailed(f"{what}: {reason}", hint="both ends speak TLS 1.3 and show a certificate", reason=reason)
