//! Series keys wrapped for readers: HPKE base mode (RFC 9180), DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.

use crate::{hmac_sha256, parallel};
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM};
use ring::agreement::{agree_ephemeral, EphemeralPrivateKey, UnparsedPublicKey, X25519};
use ring::rand::SystemRandom;
use wattest_core::Hash;

/// Bytes of a wrapped key: the ephemeral public key, the key, the tag.
pub const WRAPPED: usize = 80;

const DOMAIN: &[u8] = b"wattest/series-key/1";
const VERSION: &[u8] = b"HPKE-v1";
const KEM: &[u8] = b"KEM\x00\x20";
const SUITE: &[u8] = b"HPKE\x00\x20\x00\x01\x00\x02";
const BASE_MODE: &[u8] = &[0];

/// One key for one reader.
#[derive(Clone, Copy, Debug)]
pub struct Wrap<'a> {
    /// The reader's X25519 public key.
    pub reader: &'a Hash,
    /// The series' name in its batch.
    pub name: &'a Hash,
    /// The key to wrap.
    pub key: &'a Hash,
}

/// Wraps every key for its reader, `WRAPPED` bytes each; None where a reader's key is a point of small order.
#[must_use]
pub fn wrap(channel: &Hash, sequence: u64, wraps: &[Wrap<'_>], threads: usize) -> Vec<Option<[u8; WRAPPED]>> {
    let random = SystemRandom::new();
    let psk_id_hash = extract(&[], SUITE, b"psk_id_hash", &[]);
    let mut out = vec![None; wraps.len()];
    parallel::for_each(&mut out, threads, |at, wrapped| {
        let Wrap { reader, name, key } = wraps[at];
        let info = [DOMAIN, channel, &sequence.to_be_bytes(), name].concat();
        *wrapped = wrap_one(&random, &psk_id_hash, reader, key, &info);
    });
    out
}

fn wrap_one(
    random: &SystemRandom,
    psk_id_hash: &Hash,
    reader: &Hash,
    key: &Hash,
    info: &[u8],
) -> Option<[u8; WRAPPED]> {
    let ephemeral = EphemeralPrivateKey::generate(&X25519, random).ok()?;
    let public = ephemeral.compute_public_key().ok()?;
    let peer = UnparsedPublicKey::new(&X25519, &reader[..]);
    // The library refuses a shared secret of zeros, which is what a point of small order gives.
    let shared = agree_ephemeral(ephemeral, &peer, |secret| {
        let context = [public.as_ref(), reader].concat();
        expand::<32>(&extract(&[], KEM, b"eae_prk", secret), KEM, b"shared_secret", &context)
    })
    .ok()?;
    let schedule = [BASE_MODE, psk_id_hash, &extract(&[], SUITE, b"info_hash", info)].concat();
    let secret = extract(&shared, SUITE, b"secret", &[]);
    let sealing = UnboundKey::new(&AES_256_GCM, &expand::<32>(&secret, SUITE, b"key", &schedule)).ok()?;
    let nonce = Nonce::assume_unique_for_key(expand::<12>(&secret, SUITE, b"base_nonce", &schedule));
    let mut wrapped = [0; WRAPPED];
    wrapped[..32].copy_from_slice(public.as_ref());
    wrapped[32..64].copy_from_slice(key);
    let tag = LessSafeKey::new(sealing).seal_in_place_separate_tag(nonce, Aad::empty(), &mut wrapped[32..64]).ok()?;
    wrapped[64..].copy_from_slice(tag.as_ref());
    Some(wrapped)
}

/// `LabeledExtract` of RFC 9180, section 4.
fn extract(salt: &[u8], suite: &[u8], label: &[u8], secret: &[u8]) -> Hash {
    hmac_sha256(salt, &[VERSION, suite, label, secret])
}

/// `LabeledExpand` for one block of output at most.
fn expand<const LENGTH: usize>(key: &Hash, suite: &[u8], label: &[u8], info: &[u8]) -> [u8; LENGTH] {
    const { assert!(LENGTH <= 32) };
    #[allow(clippy::cast_possible_truncation)] // asserted
    let length = [0, LENGTH as u8];
    let block = hmac_sha256(key, &[&length, VERSION, suite, label, info, &[1]]);
    let mut out = [0; LENGTH];
    out.copy_from_slice(&block[..LENGTH]);
    out
}
