//! Series blocks opened and checked again, as a reader of a bundle does (docs/spec/entries.md, "What a reader checks").
//!
//! Only blocks of kind 1, signed by a meter, can hold here. Everything else, and whatever does not hold, goes the plain
//! way.

use crate::device_block::{grid_message_of, message, u64_at, TIME_LIMIT_S};
use crate::rows::{Checked, Previous, HOLDS};
use crate::seal::{block_cipher, block_nonce, series_root, Batch};
use crate::seal::{ENTRY, ESTIMATED, GRID, HAS_PREVIOUS, QUALITY, SIGNED_DEVICE_BLOCK, VERSION};
use crate::signatures::{p256_holds, part};
use crate::vee::{begin, push_job, Rules};
use crate::{parallel, sha256, DEVICE_RECORD, INTERVAL_RECORD, RECORDS_MAX};
use wattest_core::{Hash, Simd};

/// The row's series does not hold.
pub const REFUSED: u8 = 1;

const PREVIOUS: usize = 24;
const SIGNED: usize = 128;

/// Decrypts blocks that lie one after the other, each up to its place in `ends`, under its name and series key.
///
/// The plaintexts, in order; one that does not open is empty.
#[must_use]
pub fn open(
    batch: Batch<'_>,
    names: &[Hash],
    keys: &[Hash],
    blocks: &[u8],
    ends: &[u64],
    threads: usize,
) -> Vec<Vec<u8>> {
    let mut out = vec![Vec::new(); ends.len()];
    parallel::for_each(&mut out, threads, |at, plaintext| {
        let sealed = (names.get(at), keys.get(at), part(blocks, ends, at));
        let (Some(name), Some(key), Some(block)) = sealed else { return };
        let Some((cipher, context)) = block_cipher(batch, name, key) else { return };
        plaintext.extend_from_slice(block);
        let opened = cipher.open_in_place(block_nonce(), context, plaintext).map_or(0, |opened| opened.len());
        plaintext.truncate(opened);
    });
    out
}

/// Checks plaintexts that lie one after the other against the entries they belong to: all but the run of `vee`.
#[must_use]
pub fn check(
    simd: Simd,
    entries: &[[u8; ENTRY]],
    keys: &[Hash],
    plaintexts: &[u8],
    ends: &[u64],
    threads: usize,
) -> Vec<Checked> {
    let mut rows = vec![Checked::default(); ends.len()];
    parallel::for_each(&mut rows, threads, |at, row| {
        let given = (entries.get(at), keys.get(at), part(plaintexts, ends, at));
        let (Some(entry), Some(key), Some(plaintext)) = given else { return row.put(0, &[REFUSED]) };
        match check_one(simd, entry, key, plaintext) {
            Some(checked) => *row = checked,
            None => row.put(0, &[REFUSED]),
        }
    });
    rows
}

/// The fields of a block of kind 1.
struct Block<'a> {
    entry: &'a [u8],
    grid: bool,
    previous: Previous,
    records: &'a [u8],
    public_key: &'a [u8],
    signature: &'a [u8; 64],
}

impl<'a> Block<'a> {
    fn parse(plaintext: &'a [u8]) -> Option<Self> {
        let (&[version, flags], rest) = plaintext.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(ENTRY)?;
        if version != VERSION || flags & !(HAS_PREVIOUS | GRID) != 0 || entry[..2] != [VERSION, SIGNED_DEVICE_BLOCK] {
            return None;
        }
        let mut previous = Previous::default();
        let mut rest = rest;
        if flags & HAS_PREVIOUS != 0 {
            let (state, after) = rest.split_at_checked(PREVIOUS)?;
            previous.put(0, &[HAS_PREVIOUS]);
            previous.put(1, state);
            rest = after;
        }
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let count = u32::from_be_bytes(*count) as usize;
        if !(1..=RECORDS_MAX).contains(&count) {
            return None;
        }
        let (records, rest) = rest.split_at_checked(count * INTERVAL_RECORD)?;
        let (public_key, signature) = rest.split_at_checked(SIGNED - 64)?;
        let grid = flags & GRID != 0;
        Some(Self { entry, grid, previous, records, public_key, signature: signature.try_into().ok()? })
    }

    fn measured(&self) -> impl Iterator<Item = &'a [u8]> {
        self.records.chunks_exact(INTERVAL_RECORD).filter(|record| record[QUALITY] & ESTIMATED == 0)
    }
}

fn check_one(simd: Simd, entry: &[u8; ENTRY], key: &Hash, plaintext: &[u8]) -> Option<Checked> {
    let block = Block::parse(plaintext)?;
    let count = u32::try_from(block.records.len() / INTERVAL_RECORD).ok()?.to_be_bytes();
    let meter = sha256(&[block.public_key]);
    let (start, end) = (u64_at(entry, 34), u64_at(entry, 42));
    let claimed = block.entry == entry && entry[50..54] == count && start < end && end < TIME_LIMIT_S;
    if !claimed || !well_formed(block.records, &meter[..16], start, end) {
        return None;
    }
    let mut signed = Vec::with_capacity(block.records.len() / INTERVAL_RECORD * DEVICE_RECORD);
    block.measured().for_each(|record| push_as_signed(&mut signed, record));
    let measured = u32::try_from(signed.len() / DEVICE_RECORD).ok()?.to_be_bytes();
    let message = if block.grid {
        grid_message_of(&meter, &signed, start, end)? // None, too, where none was measured
    } else {
        message(&meter, &[&entry[34..50], &measured].concat(), &signed)? // None where none was measured
    };
    let digest = sha256(&[&message]);
    if !block.measured().all(|record| record[DEVICE_RECORD..] == digest)
        || entry[86..] != sha256(&[&digest, block.signature, block.public_key])
        || entry[54..86] != series_root(simd, key, block.records)?
        || !p256_holds(block.public_key, &message, block.signature)
    {
        return None;
    }
    let last = block.measured().last()?;
    let mut row = Checked::default();
    row.put(1, &meter);
    row.put(33, &block.previous.0);
    row.put(58, &(u64_at(last, 17).checked_add(u64_at(last, 25) >> 32)?).to_be_bytes());
    row.put(66, &last[29..45]);
    row.put(82, &count);
    row.put(86, &measured);
    row.put(0, &[HOLDS]);
    Some(row)
}

/// Every record is this meter's, they ascend inside the period, and the estimated ones alone have no source.
fn well_formed(records: &[u8], pseudonym: &[u8], start: u64, end: u64) -> bool {
    let mut free_from = start;
    records.chunks_exact(INTERVAL_RECORD).all(|record| {
        let from = u64_at(record, 17);
        let duration = u64_at(record, 25) >> 32; // a u32, followed by the import register
        let estimated = record[QUALITY] & ESTIMATED != 0;
        let sound = record[0] == VERSION
            && &record[1..17] == pseudonym
            && from < TIME_LIMIT_S
            && from >= free_from
            && from + duration <= end
            && (estimated || duration != 0)
            && estimated == (record[DEVICE_RECORD..] == [0; 32]);
        free_from = from.saturating_add(duration.max(1)); // starts ascend strictly
        sound
    })
}

/// A measured record as it came from the meter: without its source, and without the flags of `vee`.
fn push_as_signed(out: &mut Vec<u8>, record: &[u8]) {
    let at = out.len();
    out.extend_from_slice(&record[..DEVICE_RECORD]);
    out[at + QUALITY] = 0;
}

/// One input of `vee` for all rows that hold, or None where rows and plaintexts do not belong together.
#[must_use]
pub fn vee_input(plaintexts: &[u8], ends: &[u64], rows: &[Checked], rules: Rules) -> Option<Vec<u8>> {
    let blocks = holding(plaintexts, ends, rows)?;
    let mut input = begin(blocks.len(), blocks.iter().map(|(block, _)| block.records.len()).sum())?;
    let mut signed = Vec::new();
    for (block, row) in blocks {
        signed.clear();
        block.measured().for_each(|record| push_as_signed(&mut signed, record));
        if signed.len() != u32::from_be_bytes(row.measured()) as usize * DEVICE_RECORD {
            return None;
        }
        let records = signed.chunks_exact(DEVICE_RECORD);
        push_job(&mut input, &block.previous, &block.entry[34..50], rules, row.measured(), records)?;
    }
    Some(input)
}

/// For every row a verdict: `HOLDS` where it held and its records are what `vee` made, in the order of rows that hold.
#[must_use]
pub fn compare(plaintexts: &[u8], ends: &[u64], rows: &[Checked], edited: &[&[u8]]) -> Option<Vec<u8>> {
    let blocks = holding(plaintexts, ends, rows)?;
    if blocks.len() != edited.len() {
        return None;
    }
    let mut same = blocks.iter().zip(edited).map(|((block, _), edited)| {
        block.records.len() / INTERVAL_RECORD == edited.len() / DEVICE_RECORD
            && block
                .records
                .chunks_exact(INTERVAL_RECORD)
                .zip(edited.chunks_exact(DEVICE_RECORD))
                .all(|(record, edited)| record[..DEVICE_RECORD] == *edited)
    });
    let verdict = |row: &Checked| if holds(row) && same.next() == Some(true) { HOLDS } else { REFUSED };
    Some(rows.iter().map(verdict).collect())
}

fn holds(row: &Checked) -> bool {
    row.verdict()[0] == HOLDS
}

fn holding<'a>(plaintexts: &'a [u8], ends: &[u64], rows: &'a [Checked]) -> Option<Vec<(Block<'a>, &'a Checked)>> {
    if rows.len() != ends.len() {
        return None;
    }
    let held = rows.iter().enumerate().filter(|(_, row)| holds(row));
    held.map(|(at, row)| Some((Block::parse(part(plaintexts, ends, at)?)?, row))).collect()
}
