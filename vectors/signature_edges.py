"""ECDSA cases at the edges: values made to order, and what textbook ECDSA says of each.

A signature of chosen numbers is made backwards. Verification computes R = (e/s) G + (r/s) Q, so for any e, r, s and any
point R whose x is r modulo n the key Q = (sR - eG) / r makes it hold; for a chosen key Q and factors u1, u2 the point
R = u1 G + u2 Q gives r, then s = r / u2 and e = u1 s, which only a digest given as such can carry. (r, n - s) holds
where (r, s) does: it leads to -R, whose x is the same. SEC 1, 4.1.4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from crypto_reference import Curve, Point

SEED = "wattest vectors signatures"


@dataclass(frozen=True)
class Edge:
    """One case: a key (any pair of numbers), a digest of 32 bytes, its message where there is one, and (r, s)."""

    kind: str
    name: str
    key: tuple[int, int]
    digest: bytes
    message: bytes | None
    r: int
    s: int


@dataclass(frozen=True)
class Field:
    """A curve with what making cases needs: bytes of a coordinate, square roots, digests as numbers."""

    name: str
    curve: Curve
    size: int

    def square_root(self, value: int) -> int | None:
        """The even square root; every p here is 3 modulo 4."""
        p = self.curve.p
        root = pow(value, (p + 1) // 4, p)
        if root * root % p != value % p:
            return None
        return root if root % 2 == 0 else p - root

    def lift(self, x: int) -> tuple[int, int] | None:
        """The point with this x and an even y."""
        if not 0 <= x < self.curve.p:
            return None
        y = self.square_root(x**3 + self.curve.a * x + self.curve.b)
        return None if y is None else (x, y)

    def point_from(self, x: int) -> tuple[int, int]:
        """The point with the smallest x that is at least this."""
        while (point := self.lift(x)) is None:
            x += 1
        return point

    def point_below(self, x: int) -> tuple[int, int]:
        """The point with the largest x below this."""
        while (point := self.lift(x - 1)) is None:
            x -= 1
        return point

    def is_on_curve(self, key: tuple[int, int]) -> bool:
        """Whether both numbers are below p and satisfy the equation."""
        (x, y), p = key, self.curve.p
        return 0 <= x < p and 0 <= y < p and (y * y - x**3 - self.curve.a * x - self.curve.b) % p == 0

    def number(self, digest: bytes) -> int:
        """The leftmost bits of a digest, as many as n has, as a number; not reduced."""
        return int.from_bytes(digest[: self.size], "big")

    def times(self, factor: int, point: Point | None = None) -> Point:
        """A multiple of a point, of the base point unless said; (X, Y, Z) stands for (X / Z^2, Y / Z^3)."""
        p, x, y, z = self.curve.p, 0, 1, 0
        affine = point or self.curve.g
        for bit in f"{factor % self.curve.n:b}":
            yy, zz = y * y % p, z * z % p
            slope, product = (3 * x * x + self.curve.a * zz * zz) % p, 4 * x * yy % p
            z = 2 * y * z % p
            x = (slope * slope - 2 * product) % p
            y = (slope * (product - x) - 8 * yy * yy) % p
            if bit == "1":
                x, y, z = self._plus(x, y, z, affine)
        if z == 0:
            return None
        inverse = pow(z, -1, p)
        return x * inverse**2 % p, y * inverse**3 % p

    def _plus(self, x: int, y: int, z: int, point: tuple[int, int]) -> tuple[int, int, int]:
        p = self.curve.p
        if z == 0:
            return point[0], point[1], 1
        right, across = (point[0] * z * z - x) % p, (point[1] * z**3 - y) % p
        if right == 0:  # doubling or infinity: as the chord and tangent rule has it
            inverse = pow(z, -1, p)
            total = self.curve.add((x * inverse**2 % p, y * inverse**3 % p), point)
            return (0, 1, 0) if total is None else (*total, 1)
        square = right * right % p
        cube, part = square * right % p, x * square % p
        x = (across * across - cube - 2 * part) % p
        return x, (across * (part - x) - y * cube) % p, z * right % p

    def combine(self, u1: int, u2: int, key: tuple[int, int]) -> Point:
        """u1 G + u2 Q."""
        return self.curve.add(self.times(u1), self.times(u2, key))

    def key_for(self, commitment: tuple[int, int], e: int, r: int, s: int) -> tuple[int, int]:
        """The key under which (r, s) over e leads to the commitment."""
        n = self.curve.n
        inverse = pow(r, -1, n)
        key = self.curve.add(self.times(s * inverse, commitment), self.times(-e * inverse))
        assert key is not None
        return key

    def holds(self, key: tuple[int, int], digest: bytes, r: int, s: int) -> bool:
        """SEC 1, 4.1.4."""
        n = self.curve.n
        if not self.is_on_curve(key) or not (1 <= r < n and 1 <= s < n):
            return False
        w = pow(s, -1, n)
        point = self.combine(self.number(digest) * w, r * w, key)
        return point is not None and point[0] % n == r

    def sign(self, secret: int, digest: bytes, nonce: int) -> tuple[int, int]:
        """(r, s) with a given nonce; s as it comes."""
        point = self.times(nonce)
        assert point is not None
        r = point[0] % self.curve.n
        return r, pow(nonce, -1, self.curve.n) * (self.number(digest) + r * secret) % self.curve.n

    def draw(self, label: str) -> int:
        """A reproducible scalar."""
        drawn = hashlib.shake_256(f"{SEED} {self.name} {label}".encode()).digest(self.size + 8)
        return int.from_bytes(drawn, "big") % (self.curve.n - 1) + 1

    def key(self, secret: int) -> tuple[int, int]:
        """The public point of a scalar."""
        point = self.times(secret)
        assert point is not None
        return point


def digest_of(message: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(message).digest()


def edges(field: Field) -> Iterator[Edge]:
    """Every case of a curve, without those of its encodings."""
    yield from _ordinary(field)
    yield from _ranges(field)
    yield from _small_and_wrapped(field)
    yield from _chosen_numbers(field)
    yield from _infinity_and_doubling(field)
    yield from _edge_keys(field)
    yield from _wrong_keys(field)
    yield from _special_digests(field)


def values(n: int, bits: int) -> dict[str, int]:
    """Scalars on which arithmetic in limbs goes wrong."""
    chosen = {"1": 1, "2": 2, "3": 3, "n - 1": n - 1, "n - 2": n - 2, "(n - 1) / 2": n // 2, "(n + 1) / 2": n // 2 + 1}
    for bit in range(64, bits, 64):
        chosen |= {f"2^{bit} - 1": 2**bit - 1, f"2^{bit}": 2**bit, f"2^{bit} + 1": 2**bit + 1}
    chosen[f"2^{bits - 1}"] = 2 ** (bits - 1)
    for name, pattern in (("00ff", 0x00FF), ("ff00", 0xFF00), ("5555", 0x5555), ("aaaa", 0xAAAA)):
        chosen[f"{name} repeated"] = int(f"{pattern:04x}" * (bits // 16), 16) % n
    chosen["a run of zeros inside"] = n - (1 << bits * 3 // 4)
    chosen["a run of ones inside"] = n >> bits // 2 << bits // 2 | (1 << bits // 3) - 1
    return {name: value for name, value in chosen.items() if 1 <= value < n}


def _ordinary(field: Field) -> Iterator[Edge]:
    secret = field.draw("ordinary")
    key = field.key(secret)
    for name, message in (("a message", b"wattest"), ("an empty message", b""), ("a long message", bytes(1000))):
        digest = digest_of(message)
        r, s = field.sign(secret, digest, field.draw(f"nonce {name}"))
        n, p = field.curve.n, field.curve.p
        low = min(s, n - s)
        yield Edge("ordinary", name, key, digest, message, r, low)
        yield Edge("ordinary", f"{name}: the other s", key, digest, message, r, n - low)
        if message:
            continue
        changed = {
            "n - r": (n - r, low), "p - r": ((p - r) % n, low), "1 / r": (pow(r, -1, n), low),
            "1 / s": (r, pow(low, -1, n)), "r and s swapped": (low, r), "s doubled": (r, 2 * low % n),
            "r and s doubled": (2 * r % n, 2 * low % n), "r + 1": (r + 1, low), "s + 1": (r, low + 1),
            "r shifted by a byte": (r >> 8, low), "s shifted by a byte": (r, low >> 8),
        }  # fmt: skip
        for change, pair in changed.items():
            yield Edge("changed", f"{name}: {change}", key, digest, message, *pair)
        opposite = (key[0], p - key[1])
        yield Edge("changed", f"{name}: the opposite key", opposite, digest, message, r, low)
        yield Edge("changed", f"{name}: another message", key, digest_of(b"other"), b"other", r, low)


def _ranges(field: Field) -> Iterator[Edge]:
    n, p = field.curve.n, field.curve.p
    limits = {
        "0": 0, "1": 1, "n - 1": n - 1, "n": n, "n + 1": n + 1, "p": p, "p + 1": p + 1,
        "all ones": 2 ** (8 * field.size) - 1,
    }  # fmt: skip
    key, message = field.key(field.draw("ordinary")), b"range"
    for r_name, r in limits.items():
        for s_name, s in limits.items():
            yield Edge("range", f"r = {r_name}, s = {s_name}", key, digest_of(message), message, r, s)


def _small_and_wrapped(field: Field) -> Iterator[Edge]:
    n, p, message = field.curve.n, field.curve.p, b"small numbers"
    digest = digest_of(message)
    e = field.number(digest)
    small = field.point_from(1)
    for s in (1, 2, 3):
        r = small[0]
        key = field.key_for(small, e, r, s)
        yield Edge("small", f"r = {r}, s = {s}", key, digest, message, r, s)
        yield Edge("wrapped", f"r = {r} + n, s = {s}", key, digest, message, r + n, s)
        yield Edge("wrapped", f"r = {r}, s = {s} + n", key, digest, message, r, s + n)
        yield Edge("small", f"r = {r}, s = -{s}", key, digest, message, r, n - s)
    # The x of R is at least n: r is what is left of it.
    for name, high in (("smallest", field.point_from(n + 1)), ("largest", field.point_below(p))):
        s = field.draw(f"wrapped {name}") // 2
        key = field.key_for(high, e, high[0] - n, s)
        yield Edge("x above n", f"the {name} x of R above n", key, digest, message, high[0] - n, s)
        yield Edge("x above n", f"the {name} x of R above n, not reduced", key, digest, message, high[0], s)
    # Who compares x with r + n modulo p, and not as numbers, takes this one.
    for name, low in (("smallest", small), ("next", field.point_from(small[0] + 1))):
        r, s = low[0] + p - n, field.draw(f"reduced {name}") // 2
        yield Edge("x reduced by p", f"r + n = p + the {name} x", field.key_for(low, e, r, s), digest, message, r, s)


def _chosen_numbers(field: Field) -> Iterator[Edge]:
    n, message = field.curve.n, b"chosen numbers"
    digest = digest_of(message)
    e = field.number(digest)
    commitment = field.key(field.draw("commitment"))
    x = commitment[0] % n
    for name, value in values(n, 8 * field.size).items():
        # the wanted number as s, as r, as e/s, as r/s
        yield Edge("s chosen", f"s = {name}", field.key_for(commitment, e, x, value), digest, message, x, value)
        near = field.point_from(value) if value < n // 2 else field.point_below(value + 1)
        low = field.draw(f"s beside {name}") // 2
        yield Edge("r chosen", f"r near {name}", field.key_for(near, e, near[0], low), digest, message, near[0], low)
        for kind, s in (("e/s chosen", e * pow(value, -1, n) % n), ("r/s chosen", x * pow(value, -1, n) % n)):
            key = field.key_for(commitment, e, x, s)
            yield Edge(kind, f"{kind[:3]} = {name}", key, digest, message, x, min(s, n - s))


def _infinity_and_doubling(field: Field) -> Iterator[Edge]:
    n, message = field.curve.n, b"infinity"
    digest = digest_of(message)
    e = field.number(digest)
    for label in ("first", "second"):
        point = field.key(field.draw(f"infinity {label}"))
        r, s = point[0] % n, field.draw(f"infinity s {label}") // 2
        opposite = -e * pow(r, -1, n) % n
        yield Edge("infinity", f"the sum is infinity, {label}", field.key(opposite), digest, message, r, s)
        # e = rd: both summands are one point, and their sum is a doubling
        secret, nonce = e * pow(r, -1, n) % n, field.draw(f"infinity {label}")
        doubled = 2 * e * pow(nonce, -1, n) % n
        doubled = min(doubled, n - doubled)
        yield Edge("doubling", f"both summands are one point, {label}", field.key(secret), digest, message, r, doubled)
    for s in (1, n // 2):
        yield Edge("infinity", f"the sum is infinity, r = 1, s = {s:x}", field.key(-e % n), digest, message, 1, s)
    for name, secret in (("G", 1), ("2G", 2), ("3G", 3), ("-G", n - 1), ("-2G", n - 2), ("G / 2", n // 2 + 1),
                         ("-G / 2", n // 2)):  # fmt: skip
        r, s = field.sign(secret, digest, field.draw(f"nonce of {name}"))
        yield Edge("key by G", f"key {name}", field.key(secret), digest, message, r, min(s, n - s))
        yield Edge("key by G", f"key {name}, negated", field.key(n - secret), digest, message, r, min(s, n - s))
    secret = field.draw("nonces")
    for name, nonce in (("1", 1), ("2", 2), ("n - 1", n - 1), ("(n + 1) / 2", n // 2 + 1), ("the key", secret)):
        r, s = field.sign(secret, digest, nonce)
        yield Edge("nonce", f"nonce {name}", field.key(secret), digest, message, r, min(s, n - s))
        yield Edge("nonce", f"nonce {name}, r + 1", field.key(secret), digest, message, r + 1, min(s, n - s))


def _edge_keys(field: Field) -> Iterator[Edge]:
    p, n = field.curve.p, field.curve.n
    points = {
        "x smallest": field.point_from(0), "x largest": field.point_below(p), "x around 2^64": field.point_from(2**64),
        "x around half of p": field.point_from(p // 2), "x just above n": field.point_from(n),
        "x with low zeros": field.point_from(2 ** (8 * field.size - 8)),
    }  # fmt: skip
    if (root := field.square_root(field.curve.b)) is not None:
        points["x zero"] = (0, root)
    low_y = next(point for d in range(1, 5000) if (point := field.key(d))[1] >> (8 * field.size - 8) == 0)
    points["y with a leading zero octet"] = low_y
    for name, even in points.items():
        for sign, key in (("", even), (", opposite", (even[0], p - even[1]))):
            point = field.combine(field.draw(f"u1 {name}"), u2 := field.draw(f"u2 {name}"), key)
            assert point is not None
            r = point[0] % n
            s = r * pow(u2, -1, n) % n
            e = field.draw(f"u1 {name}") * s % n
            s = min(s, n - s)
            digest = e.to_bytes(field.size, "big").ljust(32, b"\x00")
            yield Edge("edge key", f"{name}{sign}", key, digest, None, r, s)
            yield Edge("edge key", f"{name}{sign}, r + 1", key, digest, None, r + 1, s)


def _wrong_keys(field: Field) -> Iterator[Edge]:
    p, n, message = field.curve.p, field.curve.n, b"wrong keys"
    digest = digest_of(message)
    e = field.number(digest)
    # Whoever takes (0, 0) for the point at infinity is left with R = (e/s) G, which anybody can make.
    for label in ("first", "second"):
        nonce = field.draw(f"forger {label}")
        r = field.key(nonce)[0] % n
        s = e * pow(nonce, -1, n) % n
        yield Edge("wrong key", f"key zero, forged, {label}", (0, 0), digest, message, r, min(s, n - s))
    secret = field.draw("ordinary")
    key = field.key(secret)
    r, s = field.sign(secret, digest, field.draw("nonce of wrong keys"))
    low = min(s, n - s)
    yield Edge("wrong key", "beside them: the right key", key, digest, message, r, low)
    for name, wrong in {
        "y + 1": (key[0], key[1] + 1), "x + 1": (key[0] + 1, key[1]), "x and y swapped": (key[1], key[0]),
        "y zero": (key[0], 0), "x zero": (0, key[1]), "x = p": (p, key[1]), "y = p": (key[0], p), "both p": (p, p),
        "all ones": (2 ** (8 * field.size) - 1,) * 2, "x and y 1": (1, 1),
    }.items():  # fmt: skip
        yield Edge("wrong key", name, wrong, digest, message, r, low)
    # The same point written with x + p: it holds for whoever reduces.
    even = field.point_from(0)
    u1, u2 = field.draw("u1 x smallest"), field.draw("u2 x smallest")
    point = field.combine(u1, u2, even)
    assert point is not None
    r = point[0] % n
    s = r * pow(u2, -1, n) % n
    e = u1 * s % n
    s = min(s, n - s)
    digest = e.to_bytes(field.size, "big").ljust(32, b"\x00")
    yield Edge("wrong key", "beside it: x in its place", even, digest, None, r, s)
    yield Edge("wrong key", "x not reduced", (even[0] + p, even[1]), digest, None, r, s)
    # A point of another curve: the formulas never use b. With e = 0 and r = s = x the sum is that point.
    for label in ("first", "second"):
        other = (field.draw(f"another curve {label}") // 4, field.draw(f"another curve y {label}"))
        assert not field.is_on_curve(other)
        yield Edge("wrong key", f"on another curve, {label}", other, bytes(32), None, other[0], other[0])
    # x of no point: what remains lies on the curve's twist.
    x = 1
    while field.lift(x) is not None:
        x += 1
    yield Edge("wrong key", "x of no point", (x, 2), bytes(32), None, x, x)


def _special_digests(field: Field) -> Iterator[Edge]:
    n, p, size = field.curve.n, field.curve.p, field.size
    commitment = field.key(field.draw("commitment of digests"))
    r, s = commitment[0] % n, field.draw("s of digests") // 2
    ones = 2 ** (8 * size) - 1
    chosen = {
        "0": 0, "1": 1, "n - 1": n - 1, "n": n, "n + 1": n + 1, "p": p, "all ones": ones,
        "all ones but the last": ones - 1,
        "low half zero": ones >> 4 * size << 4 * size, "high half zero": ones >> 4 * size,
        "a middle word zero": ones ^ 0xFFFFFFFF << 64, "a middle word alone": 0xFFFFFFFF << 64,
        "the highest bit alone": 1 << 8 * size - 1, "r": r, "n - r": n - r, "s": s, "n - s": n - s,
    }  # fmt: skip
    for name, e in chosen.items():
        digest = e.to_bytes(size, "big").ljust(32, b"\x5a")
        key = field.key_for(commitment, e, r, s)
        yield Edge("digest", f"digest {name}", key, digest, None, r, s)
        off = (e ^ 1).to_bytes(size, "big").ljust(32, b"\x5a")
        yield Edge("digest", f"digest {name}, last bit changed", key, off, None, r, s)
    key = field.key_for(commitment, 5, r, s)
    more = (5 + n).to_bytes(size, "big").ljust(32, b"\x00")
    yield Edge("digest", "digest 5 given as 5 + n", key, more, None, r, s)
    if size < 32:
        digest = b"\x01" * 32
        key = field.key_for(commitment, field.number(digest), r, s)
        yield Edge("digest", "octets beyond n's do not count", key, digest[:size] + bytes(32 - size), None, r, s)
        yield Edge("digest", "the whole digest", key, digest, None, r, s)
        short = field.key_for(commitment, int.from_bytes(digest, "big") % n, r, s)
        yield Edge("digest", "the whole digest modulo n", short, digest, None, r, s)
