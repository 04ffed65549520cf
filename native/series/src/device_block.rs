//! Device blocks of both versions: read, and verified down to the meter's signature (docs/spec/records.md).

use crate::grid::{self, Columns};
use crate::rows::{Opened, HOLDS};
use crate::signatures::{p256_holds, part};
use crate::{parallel, sha256, DEVICE_RECORD, RECORDS_MAX};
use std::borrow::Cow;
use wattest_core::{tree, Hash};

const VERSION: u8 = 1;
pub(crate) const GRID_VERSION: u8 = 2;
const HEAD: usize = 85;
const KEY_END: usize = 65;
const SIGNATURE: usize = 64;
pub(crate) const TIME_LIMIT_S: u64 = 1 << 48;
const DOMAIN: &[u8] = b"wattest/device-block/1";
const GRID_DOMAIN: &[u8] = b"wattest/device-block/2";
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

/// The device records of a block that was opened and holds; none of any other bytes.
#[must_use]
pub fn records(block: &[u8]) -> Cow<'_, [u8]> {
    if block.first() == Some(&GRID_VERSION) {
        let Some((meter, columns)) = grid_parts(block) else { return Cow::default() };
        return Cow::Owned(columns.records(&meter[..16]));
    }
    Cow::Borrowed(block.get(HEAD..block.len().saturating_sub(SIGNATURE)).unwrap_or_default())
}

/// Fills the row as far as the block can be read; its verdict becomes `HOLDS` at the very end.
fn open_one(block: &[u8], row: &mut Opened) {
    if block.first() == Some(&GRID_VERSION) {
        open_grid(block, row);
        return;
    }
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
    let meter = sha256(&[&block[1..KEY_END]]);
    row.put(1, &block[1..KEY_END]);
    row.put(65, &meter);
    row.put(97, &block[65..85]);
    row.put(213, &[VERSION]);
    let records = &block[HEAD..block.len() - SIGNATURE];
    if !well_formed(records, &meter[..16], start, end) {
        return;
    }
    let Some(message) = message(&meter, &block[65..85], records) else { return };
    conclude(block, &message, row);
}

fn open_grid(block: &[u8], row: &mut Opened) {
    let Some((meter, columns)) = grid_parts(block) else { return };
    row.put(1, &block[1..KEY_END]);
    row.put(65, &meter);
    row.put(97, &columns.start().to_be_bytes());
    row.put(105, &columns.end().to_be_bytes());
    row.put(113, columns.count());
    row.put(213, &[GRID_VERSION]);
    conclude(block, &grid_message(&meter, &block[KEY_END..block.len() - SIGNATURE]), row);
}

/// The meter's key id and the columns of a block of version 2.
fn grid_parts(block: &[u8]) -> Option<(Hash, Columns<'_>)> {
    let (key, rest) = block.get(1..)?.split_at_checked(KEY_END - 1)?;
    let columns = Columns::parse(rest.get(..rest.len().checked_sub(SIGNATURE)?)?)?;
    Some((sha256(&[key]), columns))
}

/// The digest, the signature, and whether it holds.
fn conclude(block: &[u8], message: &[u8], row: &mut Opened) {
    row.put(117, &sha256(&[message]));
    row.put(149, &block[block.len() - SIGNATURE..]);
    if p256_holds(&block[1..KEY_END], message, &row.signature()) {
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

/// What the meter signs in version 1: its key id, period and count (20 bytes), and the root over its device records.
pub(crate) fn message(meter: &Hash, period_and_count: &[u8], records: &[u8]) -> Option<Vec<u8>> {
    Some([DOMAIN, meter, period_and_count, &root(records)?].concat())
}

/// What the meter signs in version 2, over its columns.
pub(crate) fn grid_message(meter: &Hash, columns: &[u8]) -> Vec<u8> {
    [GRID_DOMAIN, meter, columns].concat()
}

/// The same over device records, which must be a grid that fills their period.
pub(crate) fn grid_message_of(meter: &Hash, records: &[u8], start: u64, end: u64) -> Option<Vec<u8>> {
    Some(grid_message(meter, &grid::columns(records, start, end)?))
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
