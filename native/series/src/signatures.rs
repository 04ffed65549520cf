//! Signatures of meters, verified in bulk: P-256 with SHA-256 (s low), and Ed25519.

use crate::parallel;
use ring::signature::{self, UnparsedPublicKey};

/// Half of the order of P-256, rounded down: a signature's s is at most this, so that it exists in one form only.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73, 0x7d,
    0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// Which rule a signature follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA over P-256 and SHA-256: key X||Y, signature r||s with s low.
    P256,
    /// Ed25519 (RFC 8032): key of 32 bytes.
    Ed25519,
}

impl Algorithm {
    /// Bytes of a public key.
    #[must_use]
    pub fn key_bytes(self) -> usize {
        match self {
            Self::P256 => 64,
            Self::Ed25519 => 32,
        }
    }

    /// Whether a signature of 64 bytes over `message` holds under `key`.
    #[must_use]
    pub fn holds(self, key: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
        match self {
            Self::P256 => p256_holds(key, message, signature),
            Self::Ed25519 => UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature).is_ok(),
        }
    }
}

/// Whether r||s, s low, over SHA-256 of `message` holds under X||Y; false for a key off the curve, too.
#[must_use]
pub fn p256_holds(key: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
    if key.len() != 64 || signature[32..] > HALF_ORDER[..] {
        return false;
    }
    let mut point = [0x04; 65];
    point[1..].copy_from_slice(key);
    UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, &point).verify(message, signature).is_ok()
}

/// Judges signatures over messages that lie one after the other, each up to its place in `ends`: 1 holds, 0 does not.
///
/// `keys` has `key_bytes` bytes for each; a message whose place is not in `messages` does not hold.
#[must_use]
pub fn verify(
    algorithm: Algorithm,
    keys: &[u8],
    messages: &[u8],
    ends: &[u64],
    signatures: &[[u8; 64]],
    threads: usize,
) -> Vec<u8> {
    let mut verdicts = vec![0; signatures.len()];
    parallel::for_each(&mut verdicts, threads, |at, verdict| {
        let key = keys.get(at * algorithm.key_bytes()..(at + 1) * algorithm.key_bytes());
        if let (Some(key), Some(message)) = (key, part(messages, ends, at)) {
            *verdict = u8::from(algorithm.holds(key, message, &signatures[at]));
        }
    });
    verdicts
}

/// The part of `bytes` that ends at `ends[at]` and begins where the one before ends.
pub(crate) fn part<'a>(bytes: &'a [u8], ends: &[u64], at: usize) -> Option<&'a [u8]> {
    let from = if at == 0 { 0 } else { *ends.get(at - 1)? };
    bytes.get(usize::try_from(from).ok()?..usize::try_from(*ends.get(at)?).ok()?)
}
