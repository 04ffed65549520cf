//! Signatures of meters, verified in bulk: ECDSA with SHA-256 and s low over P-256 and secp256k1, and Ed25519.
//!
//! A key that comes again in a batch of secp256k1 is parsed once. `ring` offers no parsed keys; reading one of P-256 takes
//! it a hundredth of the time that verifying does.

use crate::{parallel, sha256};
use ring::signature::{self, UnparsedPublicKey};
use secp256k1::ecdsa::Signature;
use secp256k1::{Message, PublicKey};
use std::collections::HashMap;

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
    /// ECDSA over secp256k1 and SHA-256: key X||Y, signature r||s with s low.
    Secp256k1,
    /// Ed25519 (RFC 8032): key of 32 bytes.
    Ed25519,
}

impl Algorithm {
    /// Bytes of a public key.
    #[must_use]
    pub fn key_bytes(self) -> usize {
        match self {
            Self::P256 | Self::Secp256k1 => 64,
            Self::Ed25519 => 32,
        }
    }

    /// Whether a signature of 64 bytes over `message` holds under `key`.
    #[must_use]
    pub fn holds(self, key: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
        match self {
            Self::P256 => p256_holds(key, message, signature),
            Self::Secp256k1 => secp256k1_key(key).is_some_and(|key| secp256k1_holds(&key, message, signature)),
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

/// The point X||Y of secp256k1; None for anything else.
fn secp256k1_key(key: &[u8]) -> Option<PublicKey> {
    let mut point = [0x04; 65];
    point.get_mut(1..)?.copy_from_slice(key.get(..64).filter(|whole| whole.len() == key.len())?);
    PublicKey::from_byte_array_uncompressed(point).ok()
}

/// Whether r||s over SHA-256 of `message` holds; libsecp256k1 refuses a high s, zero, and what is not below the order.
fn secp256k1_holds(key: &PublicKey, message: &[u8], signature: &[u8; 64]) -> bool {
    let digest = Message::from_digest(sha256(&[message]));
    Signature::from_compact(signature).is_ok_and(|pair| pair.verify(digest, key).is_ok())
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
    let key_at = |at: usize| keys.get(at * algorithm.key_bytes()..(at + 1) * algorithm.key_bytes());
    let parsed = if algorithm == Algorithm::Secp256k1 {
        ParsedKeys::of((0..signatures.len()).map_while(key_at))
    } else {
        ParsedKeys::default()
    };
    parallel::for_each(&mut verdicts, threads, |at, verdict| {
        let (Some(key), Some(message)) = (key_at(at), part(messages, ends, at)) else { return };
        let holds = match algorithm {
            Algorithm::Secp256k1 => parsed.at(at).is_some_and(|key| secp256k1_holds(key, message, &signatures[at])),
            _ => algorithm.holds(key, message, &signatures[at]),
        };
        *verdict = u8::from(holds);
    });
    verdicts
}

/// The keys of a batch, each parsed once however often it comes.
#[derive(Default)]
struct ParsedKeys {
    distinct: Vec<Option<PublicKey>>,
    places: Vec<usize>,
}

impl ParsedKeys {
    fn of<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut distinct, mut known) = (Vec::new(), HashMap::new());
        let places = keys.map(|key| {
            *known.entry(key).or_insert_with(|| {
                distinct.push(secp256k1_key(key));
                distinct.len() - 1
            })
        });
        let places = places.collect();
        Self { distinct, places }
    }

    /// The key of a signature; None for one that is no point.
    fn at(&self, at: usize) -> Option<&PublicKey> {
        self.distinct.get(*self.places.get(at)?)?.as_ref()
    }
}

/// The part of `bytes` that ends at `ends[at]` and begins where the one before ends.
pub(crate) fn part<'a>(bytes: &'a [u8], ends: &[u64], at: usize) -> Option<&'a [u8]> {
    let from = if at == 0 { 0 } else { *ends.get(at - 1)? };
    bytes.get(usize::try_from(from).ok()?..usize::try_from(*ends.get(at)?).ok()?)
}
