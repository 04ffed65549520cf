//! Registers on a grid: what a device block of version 2 signs, and the records that follow (docs/spec/records.md).

use crate::device_block::{u64_at, TIME_LIMIT_S};
use crate::{DEVICE_RECORD, RECORDS_MAX};

/// Start 8, duration 4, count 4, registers before the first record 8 each.
pub const HEAD: usize = 32;
/// Of a record: import register 8, export register 8, quality 1, in three columns.
pub const ROW: usize = 17;

const RECORD_VERSION: u8 = 1;

/// A meter's columns, whose length, count, duration and period were checked.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Columns<'a> {
    /// Reads columns; None for a wrong length, count, duration or period, and where a register falls.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let head = bytes.first_chunk::<HEAD>()?;
        let count = u32::from_be_bytes([head[12], head[13], head[14], head[15]]) as usize;
        if !(1..=RECORDS_MAX).contains(&count) || bytes.len() != HEAD + ROW * count {
            return None;
        }
        let columns = Self { bytes, count };
        let end = columns.start().checked_add(columns.duration().checked_mul(count as u64)?)?;
        if columns.duration() == 0 || end >= TIME_LIMIT_S {
            return None;
        }
        let falls = |way| (0..count).any(|at| columns.register(way, at) < columns.before(way, at));
        (!falls(0) && !falls(1)).then_some(columns)
    }

    /// The period's start, unix seconds.
    #[must_use]
    pub fn start(&self) -> u64 {
        u64_at(self.bytes, 0)
    }

    /// The period's end, exclusive.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start() + self.duration() * self.count as u64
    }

    /// How many records there are, as the columns say it.
    #[must_use]
    pub fn count(&self) -> &'a [u8] {
        &self.bytes[12..16]
    }

    /// The device records, back to back, of a meter of this pseudonym.
    #[must_use]
    pub fn records(&self, pseudonym: &[u8]) -> Vec<u8> {
        let mut records = Vec::with_capacity(self.count * DEVICE_RECORD);
        for at in 0..self.count {
            records.push(RECORD_VERSION);
            records.extend_from_slice(pseudonym);
            records.extend_from_slice(&(self.start() + self.duration() * at as u64).to_be_bytes());
            records.extend_from_slice(&self.bytes[8..12]);
            for way in 0..2 {
                records.extend_from_slice(&self.register(way, at).to_be_bytes());
            }
            for way in 0..2 {
                records.extend_from_slice(&(self.register(way, at) - self.before(way, at)).to_be_bytes());
            }
            records.extend_from_slice(&[0, self.bytes[HEAD + 16 * self.count + at]]);
        }
        records
    }

    fn duration(&self) -> u64 {
        u64_at(self.bytes, 8) >> 32 // a u32, followed by the count
    }

    /// The import (0) or export (1) register at a record's end.
    fn register(&self, way: usize, at: usize) -> u64 {
        u64_at(self.bytes, HEAD + 8 * (way * self.count + at))
    }

    fn before(&self, way: usize, at: usize) -> u64 {
        if at == 0 {
            u64_at(self.bytes, 16 + 8 * way)
        } else {
            self.register(way, at - 1)
        }
    }
}

/// The columns of device records that fill a period; None where records are no such grid.
#[must_use]
pub fn columns(records: &[u8], start: u64, end: u64) -> Option<Vec<u8>> {
    let (rows, rest) = records.as_chunks::<DEVICE_RECORD>();
    let first = rows.first()?;
    if !rest.is_empty() || rows.len() > RECORDS_MAX {
        return None;
    }
    let duration = u64_at(first, 25) >> 32; // a u32, followed by the import register
    let mut free_from = start;
    let mut registers =
        [u64_at(first, 29).checked_sub(u64_at(first, 45))?, u64_at(first, 37).checked_sub(u64_at(first, 53))?];
    let mut columns = Vec::with_capacity(HEAD + ROW * rows.len());
    columns.extend_from_slice(&start.to_be_bytes());
    columns.extend_from_slice(&first[25..29]);
    columns.extend_from_slice(&u32::try_from(rows.len()).ok()?.to_be_bytes());
    registers.iter().for_each(|register| columns.extend_from_slice(&register.to_be_bytes()));
    for row in rows {
        if duration == 0 || u64_at(row, 17) != free_from || u64_at(row, 25) >> 32 != duration || row[61] != 0 {
            return None;
        }
        free_from = free_from.checked_add(duration)?;
        for (way, register) in registers.iter_mut().enumerate() {
            *register = register.checked_add(u64_at(row, 45 + 8 * way))?;
            if *register != u64_at(row, 29 + 8 * way) {
                return None;
            }
        }
    }
    for way in 0..2 {
        rows.iter().for_each(|row| columns.extend_from_slice(&row[29 + 8 * way..37 + 8 * way]));
    }
    columns.extend(rows.iter().map(|row| row[62]));
    (free_from == end).then_some(columns)
}
