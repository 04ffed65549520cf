//! Device blocks: read, and verified from the records' root to the meter's signature (docs/spec/records.md).

use crate::rows::{Opened, HOLDS};
use crate::signatures::{p256_holds, part};
use crate::{parallel, sha256, DEVICE_RECORD, RECORDS_MAX};
use wattest_core::{tree, Hash};

const VERSION: u8 = 1;
const HEAD: usize = 85;
const SIGNATURE: usize = 64;
pub(crate) const TIME_LIMIT_S: u64 = 1 << 48;
const DOMAIN: &[u8] = b"wattest/device-block/1";
const MESSAGE: usize = DOMAIN.len() + 32 + 20 + 32;
const REFUSED: u8 = 1;

/// Opens blocks that lie one after the other, each up to its place in `ends`.
#[must_use]
pub fn open(blocks: &[u8], ends: &[u64], threads: usize) -> Vec<Opened> {
    let mut rows = vec![Opened::default(); ends.len()];
    parallel::for_each(&mut rows, threads, |at, row| {
        row.0[0] = REFUSED;
        if let Some(block) = part(blocks, ends, at) {
            open_one(block, row);
        }
    });
    rows
}

/// The records inside a block whose length was checked.
#[must_use]
pub fn records(block: &[u8]) -> &[u8] {
    block.get(HEAD..block.len().saturating_sub(SIGNATURE)).unwrap_or_default()
}

/// Fills the row as far as the block can be read; its verdict becomes `HOLDS` at the very end.
fn open_one(block: &[u8], row: &mut Opened) {
    if block.len() < HEAD + SIGNATURE || block[0] != VERSION {
        return;
    }
    let count = u32::from_be_bytes([block[81], block[82], block[83], block[84]]);
    let length = count as usize;
    if !(1..=RECORDS_MAX).contains(&length) || block.len() != HEAD + length * DEVICE_RECORD + SIGNATURE {
        return;
    }
    let (start, end) = (u64_at(block, 65), u64_at(block, 73));
    if start >= end || end >= TIME_LIMIT_S {
        return;
    }
    let meter = sha256(&[&block[1..65]]);
    row.put(1, &block[1..65]);
    row.put(65, &meter);
    row.put(97, &block[65..85]);
    let records = records(block);
    if !well_formed(records, &meter[..16], start, end) {
        return;
    }
    let Some(message) = message(&meter, &block[65..85], records) else { return };
    let signature = &block[block.len() - SIGNATURE..];
    row.put(117, &sha256(&[&message]));
    row.put(149, signature);
    if p256_holds(&block[1..65], &message, &row.signature()) {
        row.0[0] = HOLDS;
    }
}

/// Every record is this meter's, has a duration, no flag of `vee`, and they ascend inside the period.
fn well_formed(records: &[u8], pseudonym: &[u8], start: u64, end: u64) -> bool {
    let mut free_from = start;
    records.chunks_exact(DEVICE_RECORD).all(|record| {
        let from = u64_at(record, 17);
        let duration = u64_at(record, 25) >> 32; // a u32, followed by the import register
        let sound = record[0] == VERSION
            && &record[1..17] == pseudonym
            && from < TIME_LIMIT_S
            && duration != 0
            && record[61] == 0
            && from >= free_from
            && from + duration <= end;
        free_from = from.saturating_add(duration);
        sound
    })
}

/// What the meter signs: its key id, period and count (20 bytes), and the root over its device records.
pub(crate) fn message(meter: &Hash, period_and_count: &[u8], records: &[u8]) -> Option<[u8; MESSAGE]> {
    let mut message = [0; MESSAGE];
    let mut at = 0;
    for part in [DOMAIN, meter, period_and_count, &root(records)?] {
        message.get_mut(at..at + part.len())?.copy_from_slice(part);
        at += part.len();
    }
    (at == MESSAGE).then_some(message)
}

fn root(records: &[u8]) -> Option<Hash> {
    let size = tree::unsalted_size(records, DEVICE_RECORD).ok()?;
    let mut nodes = vec![[0; 32]; usize::try_from(tree::node_count(size).ok()?).ok()?];
    tree::build_sha256(records, DEVICE_RECORD, &mut nodes).ok()?;
    nodes.last().copied()
}

/// The big-endian u64 at a place that the caller has bounded.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(word)
}
