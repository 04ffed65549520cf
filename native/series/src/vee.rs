//! What goes into the guest `vee` for many meters in one call, and what comes out (docs/spec/vee.md, "Many jobs").

use crate::device_block::records;
use crate::grid::ROW;
use crate::rows::{Opened, Previous};
use crate::signatures::part;
use crate::{DEVICE_RECORD, RECORDS_MAX};

const MANY: u8 = 2;
const VERSION: u8 = 1;
const HEADER: usize = 66;

/// How a channel has its series edited: the grid in seconds, the largest plausible energy of an interval.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Seconds of an interval.
    pub interval_s: u32,
    /// Milliwatt-hours.
    pub most_per_interval: u64,
}

/// One input for all blocks, which were opened and hold; None where rows, blocks and ends do not belong together.
#[must_use]
pub fn input(blocks: &[u8], ends: &[u64], rows: &[Opened], previous: &[Previous], rules: Rules) -> Option<Vec<u8>> {
    if ends.len() != rows.len() || previous.len() != rows.len() {
        return None;
    }
    let counts = rows.iter().map(|row| u32::from_be_bytes(row.count()) as usize);
    let mut input = begin(rows.len(), counts.fold(0, usize::saturating_add).min(blocks.len() / ROW) * DEVICE_RECORD)?;
    for (at, (row, before)) in rows.iter().zip(previous).enumerate() {
        let records = records(part(blocks, ends, at)?);
        if records.len() != u32::from_be_bytes(row.count()) as usize * DEVICE_RECORD {
            return None;
        }
        let period = [row.period_start(), row.period_end()].concat();
        push_job(&mut input, before, &period, rules, row.count(), records.chunks_exact(DEVICE_RECORD))?;
    }
    Some(input)
}

/// The head of an input of so many jobs, with room for records of `bytes` in all.
pub(crate) fn begin(jobs: usize, bytes: usize) -> Option<Vec<u8>> {
    let mut input = Vec::with_capacity(5 + bytes + jobs * (4 + HEADER));
    input.push(MANY);
    input.extend_from_slice(&u32::try_from(jobs).ok()?.to_be_bytes());
    Some(input)
}

/// One job: where its meter stood, its period (16 bytes), its records as the meter signed them.
pub(crate) fn push_job<'a>(
    input: &mut Vec<u8>,
    before: &Previous,
    period: &[u8],
    rules: Rules,
    count: [u8; 4],
    records: impl Iterator<Item = &'a [u8]>,
) -> Option<()> {
    let length = HEADER + u32::from_be_bytes(count) as usize * DEVICE_RECORD;
    input.extend_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
    input.extend_from_slice(&[VERSION, before.known()[0]]);
    input.extend_from_slice(period);
    input.extend_from_slice(&rules.interval_s.to_be_bytes());
    input.extend_from_slice(&[0; 8]); // registers count to 2^64
    input.extend_from_slice(&rules.most_per_interval.to_be_bytes());
    input.extend_from_slice(&before.0[1..]);
    input.extend_from_slice(&count);
    records.for_each(|record| input.extend_from_slice(record));
    Some(())
}

/// The edited records of each of `jobs` jobs, or None for any other bytes than such a result.
#[must_use]
pub fn output(bytes: &[u8], jobs: usize) -> Option<Vec<&[u8]>> {
    let (&status, rest) = bytes.split_first()?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    if status != 0 || u32::from_be_bytes(*count) as usize != jobs || rest.len() < 4 * jobs {
        return None;
    }
    let mut series = Vec::with_capacity(jobs);
    for _ in 0..jobs {
        let (count, after) = rest.split_first_chunk::<4>()?;
        let count = u32::from_be_bytes(*count) as usize;
        if !(1..=RECORDS_MAX).contains(&count) {
            return None;
        }
        let (records, after) = after.split_at_checked(count * DEVICE_RECORD)?;
        series.push(records);
        rest = after;
    }
    rest.is_empty().then_some(series)
}
