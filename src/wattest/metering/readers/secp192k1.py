"""ECDSA verification on secp192k1 in plain integers: OCMF names the curve, OpenSSL's Python face lacks it.

Decided here: nothing but SEC 1 4.1.4 on the curve of SEC 2 2.2.2. It handles public values only, so it need not run in
constant time; it must never sign.
"""

from __future__ import annotations

_P = 2**192 - 2**32 - 2**12 - 2**8 - 2**7 - 2**6 - 2**3 - 1
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFE26F2FC170F69466A74DEFD8D
_G = (0xDB4FF10EC057E9AE26B07D0280B7F4341DA5D1B1EAE06C7D, 0x9B2F2F6D9C5628A7844163D015BE86344082AA88D95E2F9D)
_Point = tuple[int, int] | None  # None is the point at infinity


def is_on_curve(x: int, y: int) -> bool:
    """Whether (x, y) satisfies y^2 = x^3 + 3 in the field; the cofactor is 1, so that suffices."""
    return 0 <= x < _P and 0 <= y < _P and (y * y - x * x * x - 3) % _P == 0


def is_signature(x: int, y: int, digest: bytes, r: int, s: int) -> bool:
    """Whether (r, s) signs the leftmost 192 bits of ``digest`` under the public point (x, y)."""
    if not (is_on_curve(x, y) and 0 < r < ORDER and 0 < s < ORDER):
        return False
    e = int.from_bytes(digest[:24], "big")
    w = pow(s, -1, ORDER)
    point = _add(_multiply(_G, e * w % ORDER), _multiply((x, y), r * w % ORDER))
    return point is not None and point[0] % ORDER == r


def _add(left: _Point, right: _Point) -> _Point:
    if left is None or right is None:
        return left or right
    if left[0] == right[0]:
        if (left[1] + right[1]) % _P == 0:
            return None
        slope = 3 * left[0] * left[0] * pow(2 * left[1], -1, _P) % _P
    else:
        slope = (right[1] - left[1]) * pow(right[0] - left[0], -1, _P) % _P
    x = (slope * slope - left[0] - right[0]) % _P
    return x, (slope * (left[0] - x) - left[1]) % _P


def _multiply(point: _Point, factor: int) -> _Point:
    result: _Point = None
    while factor:
        if factor & 1:
            result = _add(result, point)
        point = _add(point, point)
        factor >>= 1
    return result
