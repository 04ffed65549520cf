//! Series keys wrapped for readers under HPKE contexts (RFC 9180, sections 5.1.1 and 5.2): base mode, DHKEM(X25519,
//! HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
//!
//! Decided here: which contexts a batch gets, and that no message number comes twice under one of them with another key
//! or entry. A `Wrapping` holds a batch's names and keys as they were when it took its contexts, and its numbers are
//! `sequence << 20 | index`: within it a number always means the same message. `ReaderContexts` gives a context to a
//! second `Wrapping` only if that one's sequence is greater than those of all before: between them the numbers differ.
//! Nothing writes a context anywhere or makes a copy, so a process that starts again, or another one that took state
//! over, has other contexts. What the caller rolls back outside changes nothing in here.
//! Source: docs/spec/sealed-blocks.md, section "Wrapped keys".

use crate::{hmac_sha256, parallel};
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM};
use ring::agreement::{agree_ephemeral, EphemeralPrivateKey, UnparsedPublicKey, X25519};
use ring::rand::SystemRandom;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use wattest_core::{Fault, Hash};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a wrapped key: the ephemeral public key, the key, the tag.
pub const WRAPPED: usize = 80;

/// Most entries of a batch, so that an index fits under the sequence in a message's number.
pub const ENTRIES_MAX: usize = 1 << INDEX_BITS;

const INDEX_BITS: u32 = 20;
const DOMAIN: &[u8] = b"wattest/series-key/2";
const VERSION: &[u8] = b"HPKE-v1";
const KEM: &[u8] = b"KEM\x00\x20";
const SUITE: &[u8] = b"HPKE\x00\x20\x00\x01\x00\x02";
const BASE_MODE: &[u8] = &[0];

/// A sender's context for one reader; its key and nonce are erased with it.
pub struct Context {
    enc: Hash,
    key: Zeroizing<Hash>,
    base_nonce: Zeroizing<[u8; 12]>,
}

impl Context {
    /// A new context with an ephemeral key of its own; None for a reader's key that is a point of small order (or a system
    /// without randomness).
    #[must_use]
    pub fn set_up(reader: &Hash, info: &[u8]) -> Option<Self> {
        let ephemeral = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).ok()?;
        let public = ephemeral.compute_public_key().ok()?;
        let mut enc = Hash::default();
        enc.copy_from_slice(public.as_ref());
        let peer = UnparsedPublicKey::new(&X25519, &reader[..]);
        // The library refuses a shared secret of zeros, which is what a point of small order gives.
        agree_ephemeral(ephemeral, &peer, |secret| Self::scheduled(secret, enc, reader, info)).ok()
    }

    /// The key schedule over an X25519 shared secret.
    #[must_use]
    pub fn scheduled(secret: &[u8], enc: Hash, reader: &Hash, info: &[u8]) -> Self {
        let context = [enc, *reader].concat();
        let prk = Zeroizing::new(extract(&[], KEM, b"eae_prk", secret));
        let shared = Zeroizing::new(expand::<32>(&prk, KEM, b"shared_secret", &context));
        let psk_id_hash = extract(&[], SUITE, b"psk_id_hash", &[]);
        let schedule = [BASE_MODE, &psk_id_hash, &extract(&[], SUITE, b"info_hash", info)].concat();
        let secret = Zeroizing::new(extract(&shared[..], SUITE, b"secret", &[]));
        Self {
            enc,
            key: Zeroizing::new(expand(&secret, SUITE, b"key", &schedule)),
            base_nonce: Zeroizing::new(expand(&secret, SUITE, b"base_nonce", &schedule)),
        }
    }

    /// `enc` and the sealed key; the caller never gives one number two keys or two associated data.
    #[must_use]
    pub fn seal(&self, number: u128, associated: &[u8], key: &Hash) -> Option<[u8; WRAPPED]> {
        let mut nonce = *self.base_nonce;
        nonce.iter_mut().zip(&number.to_be_bytes()[4..]).for_each(|(byte, counted)| *byte ^= counted);
        let sealing = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.key[..]).ok()?);
        let mut wrapped = [0; WRAPPED];
        wrapped[..32].copy_from_slice(&self.enc);
        wrapped[32..64].copy_from_slice(key);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let Ok(tag) = sealing.seal_in_place_separate_tag(nonce, Aad::from(associated), &mut wrapped[32..64]) else {
            wrapped.zeroize();
            return None;
        };
        wrapped[64..].copy_from_slice(tag.as_ref());
        Some(wrapped)
    }
}

/// A context's `info`.
#[must_use]
pub fn info(channel: &Hash) -> Vec<u8> {
    [DOMAIN, channel].concat()
}

/// The number of one entry's message.
#[must_use]
pub fn number(sequence: u64, index: u32) -> u128 {
    u128::from(sequence) << INDEX_BITS | u128::from(index)
}

/// What one entry's message is bound to.
#[must_use]
pub fn associated(sequence: u64, name: &Hash) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&sequence.to_be_bytes());
    bytes[8..].copy_from_slice(name);
    bytes
}

/// A reader and its context, which is set up when it is first needed, once, by whichever thread comes first.
struct Reader {
    public_key: Hash,
    context: OnceLock<Option<Context>>,
}

/// The contexts of one channel's readers, as the newest batch had them.
pub struct ReaderContexts {
    channel: Hash,
    served: Option<u64>,
    readers: HashMap<Hash, Arc<Reader>>,
}

impl ReaderContexts {
    /// None yet.
    #[must_use]
    pub fn new(channel: Hash) -> Self {
        Self { channel, served: None, readers: HashMap::new() }
    }

    /// How many readers' contexts are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.readers.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    /// Takes contexts out for one batch: `readers` of all entries in order, those of an entry ending at its `ends`.
    ///
    /// # Errors
    /// `LengthWrong` for more entries than a number holds, or columns of different lengths.
    pub fn check_out(
        &mut self,
        sequence: u64,
        names: &[Hash],
        keys: &[Hash],
        readers: &[Hash],
        ends: &[u64],
    ) -> Result<Wrapping, Fault> {
        at_most("names", ENTRIES_MAX, names.len())?;
        same("series_keys", names.len(), keys.len())?;
        same("ends", names.len(), ends.len())?;
        let ends = ends.iter().map(|&end| usize::try_from(end).unwrap_or(usize::MAX)).collect::<Vec<_>>();
        same("readers", ends.last().copied().unwrap_or(0), readers.len())?;
        if !ends.is_sorted() {
            return Err(Fault::LengthWrong { what: "ends", expected: readers.len() as u64, actual: u64::MAX });
        }
        // Everything kept has served `served`, and nothing later.
        if self.served.is_some_and(|served| sequence <= served) {
            self.readers.clear();
        }
        // Said before any context goes out.
        self.served = Some(sequence);
        let kept = std::mem::take(&mut self.readers);
        let of_entries = readers
            .iter()
            .map(|public_key| {
                let reader = self.readers.entry(*public_key).or_insert_with(|| match kept.get(public_key) {
                    Some(reader) => Arc::clone(reader),
                    None => Arc::new(Reader { public_key: *public_key, context: OnceLock::new() }),
                });
                Arc::clone(reader)
            })
            .collect();
        Ok(Wrapping {
            info: info(&self.channel),
            sequence,
            names: names.to_vec(),
            keys: Zeroizing::new(keys.to_vec()),
            readers: of_entries,
            ends,
        })
    }
}

/// One batch's keys and the contexts that they are wrapped under; nothing in it changes.
pub struct Wrapping {
    info: Vec<u8>,
    sequence: u64,
    names: Vec<Hash>,
    keys: Zeroizing<Vec<Hash>>,
    readers: Vec<Arc<Reader>>,
    ends: Vec<usize>,
}

impl Wrapping {
    /// For every entry of `span` its key wrapped for its readers, `WRAPPED` bytes each, in their order; or, in place of
    /// an entry, a reader's key that takes no secret.
    ///
    /// # Errors
    /// `IndexOutOfRange` for a span that reaches outside the batch.
    pub fn page(&self, span: Range<usize>, threads: usize) -> Result<Vec<Result<Vec<u8>, Hash>>, Fault> {
        if span.start > span.end || span.end > self.names.len() {
            return Err(Fault::IndexOutOfRange { index: span.end as u64, size: self.names.len() as u64 });
        }
        let mut out = vec![Ok(Vec::new()); span.len()];
        parallel::for_each(&mut out, threads, |at, wrapped| *wrapped = self.entry(span.start + at));
        Ok(out)
    }

    fn entry(&self, at: usize) -> Result<Vec<u8>, Hash> {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        #[allow(clippy::cast_possible_truncation)] // ENTRIES_MAX
        let number = number(self.sequence, at as u32);
        let associated = associated(self.sequence, &self.names[at]);
        let mut wrapped = Vec::with_capacity(WRAPPED * (self.ends[at] - start));
        for reader in &self.readers[start..self.ends[at]] {
            let context = reader.context.get_or_init(|| Context::set_up(&reader.public_key, &self.info));
            let sealed = context.as_ref().and_then(|context| context.seal(number, &associated, &self.keys[at]));
            wrapped.extend(sealed.ok_or(reader.public_key)?);
        }
        Ok(wrapped)
    }
}

fn at_most(what: &'static str, maximum: usize, actual: usize) -> Result<(), Fault> {
    if actual <= maximum {
        return Ok(());
    }
    Err(Fault::LengthWrong { what, expected: maximum as u64, actual: actual as u64 })
}

fn same(what: &'static str, expected: usize, actual: usize) -> Result<(), Fault> {
    if expected == actual {
        return Ok(());
    }
    Err(Fault::LengthWrong { what, expected: expected as u64, actual: actual as u64 })
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
    let block = Zeroizing::new(hmac_sha256(key, &[&length, VERSION, suite, label, info, &[1]]));
    let mut out = [0; LENGTH];
    out.copy_from_slice(&block[..LENGTH]);
    out
}
