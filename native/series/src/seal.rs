//! A series from edited records to ciphertext: tree, entry, block, encryption (docs/spec/entries.md, sealed-blocks.md).
//!
//! Record salts and block keys are wiped as soon as they were used. The cipher's own key schedule is ring's, which does not
//! wipe it.

use crate::device_block::{u64_at, GRID_VERSION};
use crate::rows::{Opened, Previous, Sealed, HOLDS};
use crate::{hmac_sha256, parallel, sha256, DEVICE_RECORD, INTERVAL_RECORD};
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM};
use wattest_core::{salts, tree, Hash, Simd};
use zeroize::Zeroizing;

/// The guest dropped or added a measured record.
pub const MISEDITED: u8 = 1;
/// The series was sealed before with another block, and nothing was encrypted.
pub const CONFLICT: u8 = 2;

pub(crate) const VERSION: u8 = 1;
pub(crate) const SIGNED_DEVICE_BLOCK: u8 = 1;
pub(crate) const HAS_PREVIOUS: u8 = 1;
pub(crate) const GRID: u8 = 2;
pub(crate) const ENTRY: usize = 118;
pub(crate) const QUALITY: usize = 61;
pub(crate) const ESTIMATED: u8 = 0x01;
const RECORD_SALTS: u8 = 0x01;
const BLOCK_KEY: &[u8] = &[0x04];
const DOMAIN: &[u8] = b"wattest/series-block/1";

/// What every series of a batch shares.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// How leaves are hashed.
    pub simd: Simd,
    /// The channel's id.
    pub channel: &'a Hash,
    /// The batch's sequence in its channel.
    pub sequence: u64,
}

/// One series to seal.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// Its device block, which holds.
    pub opened: &'a Opened,
    /// What `vee` made of the block's records.
    pub edited: &'a [u8],
    /// Where the meter stood before.
    pub previous: &'a Previous,
    /// Its name in the batch: the blinded meter.
    pub name: &'a Hash,
    /// Its key, which encrypts one plaintext, ever.
    pub key: &'a Hash,
    /// The plaintext's digest when it was sealed before.
    pub expected: Option<&'a Hash>,
}

/// Seals every series; a row that does not hold has no ciphertext.
#[must_use]
pub fn seal(batch: Batch<'_>, series: &[Series<'_>], threads: usize) -> Vec<(Sealed, Vec<u8>)> {
    let mut out = vec![(Sealed::default(), Vec::new()); series.len()];
    parallel::for_each(&mut out, threads, |at, (row, block)| {
        row.0[0] = MISEDITED;
        if seal_one(batch, &series[at], row, block).is_none() {
            block.clear();
        }
    });
    out
}

fn seal_one(batch: Batch<'_>, series: &Series<'_>, row: &mut Sealed, block: &mut Vec<u8>) -> Option<()> {
    let opened = series.opened;
    let records = intervals(series)?;
    let count = records.len() / INTERVAL_RECORD;
    let last = records.chunks_exact(INTERVAL_RECORD).rfind(|record| record[QUALITY] & ESTIMATED == 0)?;
    let entry = entry(batch, series, &records)?;

    block.reserve_exact(2 + ENTRY + 24 + 4 + records.len() + 128 + AES_256_GCM.tag_len());
    let known = series.previous.known()[0] == HAS_PREVIOUS;
    let grid = opened.version()[0] == GRID_VERSION;
    block.extend_from_slice(&[VERSION, (u8::from(known) * HAS_PREVIOUS) | (u8::from(grid) * GRID)]);
    block.extend_from_slice(&entry);
    if known {
        block.extend_from_slice(&series.previous.0[1..]);
    }
    block.extend_from_slice(&u32::try_from(count).ok()?.to_be_bytes());
    block.extend_from_slice(&records);
    block.extend_from_slice(&opened.public_key());
    block.extend_from_slice(&opened.signature());

    let digest = sha256(&[block]);
    if series.expected.is_some_and(|expected| *expected != digest) {
        row.0[0] = CONFLICT;
        return None;
    }
    let (cipher, context) = block_cipher(batch, series.name, series.key)?;
    cipher.seal_in_place_append_tag(block_nonce(), context, block).ok()?;

    row.put(1, &entry);
    row.put(119, &digest);
    row.put(151, &sha256(&[block]));
    row.put(183, &(u64_at(last, 17).checked_add(u64_at(last, 25) >> 32)?).to_be_bytes());
    row.put(191, &last[29..45]);
    row.put(207, &u32::try_from(block.len()).ok()?.to_be_bytes());
    row.0[0] = HOLDS;
    Some(())
}

/// What a block of a batch is encrypted under, and what its ciphertext is bound to.
pub(crate) fn block_cipher(batch: Batch<'_>, name: &Hash, key: &Hash) -> Option<(LessSafeKey, Aad<Vec<u8>>)> {
    let context = [DOMAIN, batch.channel, &batch.sequence.to_be_bytes(), name].concat();
    let key = Zeroizing::new(hmac_sha256(key, &[BLOCK_KEY]));
    let key = UnboundKey::new(&AES_256_GCM, &key[..]).ok()?;
    Some((LessSafeKey::new(key), Aad::from(context)))
}

/// The nonce is fixed because a block's key encrypts one plaintext, ever.
pub(crate) fn block_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// The root of a series: the salted tree over its interval records.
pub(crate) fn series_root(simd: Simd, key: &Hash, records: &[u8]) -> Option<Hash> {
    let count = records.len() / INTERVAL_RECORD;
    let mut salts = Zeroizing::new(vec![[0; 16]; count]);
    salts::derive(key, RECORD_SALTS, &mut salts).ok()?;
    let mut nodes = vec![[0; 32]; usize::try_from(tree::node_count(count as u64).ok()?).ok()?];
    let leaves = tree::Flat::new(simd, records, INTERVAL_RECORD, &salts).ok()?;
    tree::build(simd, &leaves, count as u64, &mut nodes, 1).ok()?;
    nodes.last().copied()
}

/// Edited records with the digest of their source: the block's for measured ones, zero for estimated ones.
fn intervals(series: &Series<'_>) -> Option<Vec<u8>> {
    let digest = series.opened.digest();
    let mut records = Vec::with_capacity(series.edited.len() / DEVICE_RECORD * INTERVAL_RECORD);
    let mut measured = 0;
    for record in series.edited.chunks_exact(DEVICE_RECORD) {
        let estimated = record[QUALITY] & ESTIMATED != 0;
        measured += u32::from(!estimated);
        records.extend_from_slice(record);
        records.extend_from_slice(if estimated { &[0; 32] } else { &digest });
    }
    (measured == u32::from_be_bytes(series.opened.count())).then_some(records)
}

fn entry(batch: Batch<'_>, series: &Series<'_>, records: &[u8]) -> Option<[u8; ENTRY]> {
    let opened = series.opened;
    let count = records.len() / INTERVAL_RECORD;
    let mut entry = [0; ENTRY];
    entry[..2].copy_from_slice(&[VERSION, SIGNED_DEVICE_BLOCK]);
    entry[2..34].copy_from_slice(series.name);
    entry[34..42].copy_from_slice(&opened.period_start());
    entry[42..50].copy_from_slice(&opened.period_end());
    entry[50..54].copy_from_slice(&u32::try_from(count).ok()?.to_be_bytes());
    entry[54..86].copy_from_slice(&series_root(batch.simd, series.key, records)?);
    entry[86..].copy_from_slice(&sha256(&[&opened.digest(), &opened.signature(), &opened.public_key()]));
    Some(entry)
}
