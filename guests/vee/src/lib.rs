//! `vee`: validation, estimation, editing of one meter's interval records. docs/spec/vee.md is normative.
//!
//! Integers only; every sum and product is done in a type that holds it. Measured fields are copied, never recomputed.
//! What an ordinary record needs is done in 64 bits and without a call: products of 128 bits and copies of unknown length
//! are calls in this instruction set, and took most of a job's time.
#![cfg_attr(target_arch = "wasm32", no_std)]
#![deny(missing_docs)]

#[allow(missing_docs)]
#[path = "../../abi/abi.rs"]
pub mod abi;

use abi::{Output, Reader, Refusal};

const VERSION: u8 = 1;
const MANY: u8 = 2;
const RECORD_BYTES: usize = 63;
const MAX_RECORDS: u32 = 100_000;
const TIME_LIMIT_S: u64 = 1 << 48;

const ESTIMATED: u8 = 0x01;
const ROLLOVER: u8 = 0x02;
const IMPLAUSIBLE: u8 = 0x04;
const REGISTER_MISMATCH: u8 = 0x08;

const BAD_HEADER: u8 = 1;
const BAD_RECORD_VERSION: u8 = 2;
const MIXED_PSEUDONYMS: u8 = 3;
const QUALITY_TAKEN: u8 = 4;
const ZERO_DURATION: u8 = 5;
const OUTSIDE_PERIOD: u8 = 6;
const OUT_OF_ORDER: u8 = 7;
const OVER_MODULUS: u8 = 8;
const BACKWARDS: u8 = 9;
const ENERGY_OVERFLOW: u8 = 10;
const TOO_MANY: u8 = 11;

/// Offsets inside a record.
const START: usize = 17;
const DURATION: usize = 25;
const REGISTERS: [usize; 2] = [29, 37];
const ENERGIES: [usize; 2] = [45, 53];
const QUALITY: usize = 61;

/// Import and export, judged apart.
type Pair = [u64; 2];

type RecordBytes = [u8; RECORD_BYTES];

/// The big-endian u64 at `AT`.
fn u64_at<const AT: usize>(bytes: &RecordBytes) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[AT..AT + 8]);
    u64::from_be_bytes(word)
}

/// The pseudonym as two words: comparing them is two comparisons, comparing slices a loop.
fn pseudonym_words(bytes: &RecordBytes) -> [u64; 2] {
    [u64_at::<1>(bytes), u64_at::<9>(bytes)]
}

struct Header {
    period_start: u64,
    period_end: u64,
    interval_s: u32,
    /// 0 stands for 2^64.
    modulus: u64,
    max_energy: u64,
}

impl Header {
    fn wide_modulus(&self) -> u128 {
        match self.modulus {
            0 => 1u128 << 64,
            modulus => u128::from(modulus),
        }
    }

    fn is_below_modulus(&self, value: u64) -> bool {
        self.modulus == 0 || value < self.modulus
    }

    fn is_implausible(&self, energy: u64, seconds: u64) -> bool {
        const LIMIT: u64 = 1 << 32;
        let interval = u64::from(self.interval_s);
        if energy < LIMIT && self.max_energy < LIMIT && seconds < LIMIT && interval != 0 {
            // two factors below 2^32 each: neither product reaches 2^64
            return self.max_energy != 0 && energy.wrapping_mul(interval) > self.max_energy.wrapping_mul(seconds);
        }
        self.is_implausible_wide(u128::from(energy), seconds)
    }

    fn is_implausible_wide(&self, energy: u128, seconds: u64) -> bool {
        if self.max_energy == 0 {
            return false;
        }
        if self.interval_s == 0 {
            return energy > u128::from(self.max_energy);
        }
        // energy < 2^65, interval < 2^32; max < 2^64, seconds < 2^48: no product reaches 2^128
        energy * u128::from(self.interval_s) > u128::from(self.max_energy) * u128::from(seconds)
    }

    fn advance(&self, register: u64, energy: u64) -> u64 {
        ((u128::from(register) + u128::from(energy)) % self.wide_modulus()) as u64
    }
}

/// Where the series stands: the end of the last interval, and its registers.
#[derive(Clone, Copy)]
struct Standing {
    end: u64,
    registers: Pair,
}

struct Record<'a> {
    bytes: &'a RecordBytes,
    start: u64,
    end: u64,
    registers: Pair,
    energies: Pair,
}

/// What lies between two known registers: its energy, and whether they contradict the record's own energy.
struct Step {
    energy: u64,
    mismatch: bool,
}

struct Writer<'a> {
    header: &'a Header,
    output: &'a mut Output,
    count: u32,
    most: u32,
    totals: Pair,
    registers: Option<Pair>,
}

impl<'a> Writer<'a> {
    fn write(
        &mut self,
        bytes: &RecordBytes,
        registers: Pair,
        energies: Pair,
        seconds: u64,
        mut flags: u8,
    ) -> Result<(), u8> {
        if self.count == self.most {
            return Err(TOO_MANY);
        }
        self.count += 1;
        for side in 0..2 {
            if self.registers.map_or(false, |before| registers[side] < before[side]) {
                flags |= ROLLOVER;
            }
            if self.header.is_implausible(energies[side], seconds) {
                flags |= IMPLAUSIBLE;
            }
            self.totals[side] = self.totals[side].checked_add(energies[side]).ok_or(ENERGY_OVERFLOW)?;
        }
        self.registers = Some(registers);
        let at = self.output.length();
        self.output.push_zeros(RECORD_BYTES);
        let record = &mut self.output.bytes_mut()[at..at + RECORD_BYTES];
        record.copy_from_slice(bytes); // of a length that the compiler knows
        record[QUALITY] = flags;
        Ok(())
    }

    /// Fills the part of the gap [from, to) that lies in the period; it carries `energies` over its whole length.
    fn fill(
        &mut self,
        pseudonym: &[u8],
        gap: (u64, u64),
        registers: Pair,
        energies: Pair,
        flags: u8,
    ) -> Result<(), u8> {
        let (from, to) = gap;
        let header = self.header;
        let interval = u64::from(header.interval_s);
        if interval == 0 || from >= to {
            return Ok(());
        }
        let whole = u128::from(to - from);
        let line = |energy: u64, at: u64| (u128::from(energy) * u128::from(at - from) / whole) as u64;
        let mut at = from.max(header.period_start);
        if self.registers.is_some() || at > from {
            // the predecessor in the output, or just before the period, stands on the same line
            self.registers = Some([
                header.advance(registers[0], line(energies[0], at)),
                header.advance(registers[1], line(energies[1], at)),
            ]);
        }
        while at < to {
            let step = interval - (at - header.period_start) % interval;
            let end = if to - at <= step { to } else { at + step };
            let mut piece = [0u8; RECORD_BYTES];
            piece[0] = VERSION;
            piece[1..START].copy_from_slice(pseudonym);
            piece[START..DURATION].copy_from_slice(&at.to_be_bytes());
            piece[DURATION..REGISTERS[0]].copy_from_slice(&((end - at) as u32).to_be_bytes());
            let mut reached = [0u64; 2];
            let mut used = [0u64; 2];
            for side in 0..2 {
                let so_far = line(energies[side], end);
                reached[side] = header.advance(registers[side], so_far);
                used[side] = so_far - line(energies[side], at);
                piece[REGISTERS[side]..REGISTERS[side] + 8].copy_from_slice(&reached[side].to_be_bytes());
                piece[ENERGIES[side]..ENERGIES[side] + 8].copy_from_slice(&used[side].to_be_bytes());
            }
            self.write(&piece, reached, used, end - at, flags | ESTIMATED)?;
            at = end;
        }
        Ok(())
    }
}

fn read_header(reader: &mut Reader) -> Option<(Header, Option<Standing>, u32)> {
    let version = reader.u8()?;
    let flags = reader.u8()?;
    let period_start = reader.u64()?;
    let period_end = reader.u64()?;
    let interval_s = reader.u32()?;
    let modulus = reader.u64()?;
    let max_energy = reader.u64()?;
    let end = reader.u64()?;
    let registers = [reader.u64()?, reader.u64()?];
    let count = reader.u32()?;
    let header = Header {
        period_start,
        period_end,
        interval_s,
        modulus,
        max_energy,
    };
    let previous = match flags {
        0 if end == 0 && registers == [0, 0] => None,
        1 if end <= period_start && registers.iter().all(|&r| header.is_below_modulus(r)) => {
            Some(Standing { end, registers })
        }
        _ => return None,
    };
    let sound = version == VERSION
        && period_start < period_end
        && period_end < TIME_LIMIT_S
        && (1..=MAX_RECORDS).contains(&count);
    sound.then_some((header, previous, count))
}

fn read_record<'a>(
    bytes: &'a RecordBytes,
    pseudonym: [u64; 2],
    header: &Header,
    earliest: u64,
) -> Result<Record<'a>, u8> {
    if bytes[0] != VERSION {
        return Err(BAD_RECORD_VERSION);
    }
    if pseudonym_words(bytes) != pseudonym {
        return Err(MIXED_PSEUDONYMS);
    }
    if bytes[QUALITY] != 0 {
        return Err(QUALITY_TAKEN);
    }
    let start = u64_at::<START>(bytes);
    let duration = u64_at::<DURATION>(bytes) >> 32; // a u32, followed by the import register
    if duration == 0 {
        return Err(ZERO_DURATION);
    }
    let end = start.checked_add(duration).ok_or(OUTSIDE_PERIOD)?;
    if start < header.period_start || end > header.period_end {
        return Err(OUTSIDE_PERIOD);
    }
    if start < earliest {
        return Err(OUT_OF_ORDER);
    }
    let registers = [u64_at::<{ REGISTERS[0] }>(bytes), u64_at::<{ REGISTERS[1] }>(bytes)];
    let energies = [u64_at::<{ ENERGIES[0] }>(bytes), u64_at::<{ ENERGIES[1] }>(bytes)];
    let below = |pair: Pair| header.is_below_modulus(pair[0]) && header.is_below_modulus(pair[1]);
    if !below(registers) || !below(energies) {
        return Err(OVER_MODULUS);
    }
    Ok(Record {
        bytes,
        start,
        end,
        registers,
        energies,
    })
}

/// Judges one side's register between a predecessor and a record (rule 2).
fn step(header: &Header, before: &Standing, record: &Record, side: usize) -> Result<Step, u8> {
    let (from, to) = (before.registers[side], record.registers[side]);
    let energy = record.energies[side];
    let contiguous = before.end == record.start;
    let difference = if to >= from {
        to - from
    } else {
        // below the modulus, and so below 2^64, since `to` is below `from`
        let wrapped = (u128::from(to) + header.wide_modulus() - u128::from(from)) as u64;
        let explained = (contiguous && wrapped == energy)
            || (header.max_energy > 0 && !header.is_implausible(wrapped, record.end - before.end));
        if !explained {
            return Err(BACKWARDS);
        }
        wrapped
    };
    if contiguous {
        return Ok(Step {
            energy: 0,
            mismatch: difference != energy,
        });
    }
    Ok(Step {
        energy: difference.saturating_sub(energy),
        mismatch: difference < energy,
    })
}

/// A job's only result, or the results of many jobs of one call. docs/spec/vee.md
pub fn job(input: &[u8], output: &mut Output) -> Result<(), Refusal> {
    if input.first() == Some(&MANY) {
        return many(&input[1..], output);
    }
    output.begin();
    series(input, output, MAX_RECORDS).map(|_| ())
}

/// Each job as if it came alone; the first that is refused refuses all, by its place among them.
fn many(input: &[u8], output: &mut Output) -> Result<(), Refusal> {
    let malformed = Refusal::new(BAD_HEADER, Refusal::NOWHERE);
    let mut reader = Reader::new(input);
    let jobs = reader.u32().ok_or(malformed)?;
    if !(1..=MAX_RECORDS).contains(&jobs) {
        return Err(malformed);
    }
    output.begin();
    output.push(&jobs.to_be_bytes());
    let mut left = MAX_RECORDS;
    for index in 0..jobs {
        let length = reader.u32().ok_or(malformed)?;
        let input = reader.bytes(length as usize).ok_or(malformed)?;
        left -= series(input, output, left).map_err(|refusal| Refusal::new(refusal.code, index))?;
    }
    if !reader.is_empty() {
        return Err(malformed);
    }
    Ok(())
}

/// One meter's header and records in, the count and the edited records out, at most `most` of them.
fn series(input: &[u8], output: &mut Output, most: u32) -> Result<u32, Refusal> {
    let malformed = Refusal::new(BAD_HEADER, Refusal::NOWHERE);
    let mut reader = Reader::new(input);
    let (header, previous, count) = read_header(&mut reader).ok_or(malformed)?;
    let records = reader.bytes(count as usize * RECORD_BYTES).ok_or(malformed)?;
    if !reader.is_empty() {
        return Err(malformed);
    }
    let pseudonym = &records[1..START];
    let mut words = [0; 2];
    let count_at = output.length();
    output.push(&[0; 4]); // the count, known at the end
    let mut writer = Writer {
        header: &header,
        output,
        count: 0,
        most,
        totals: [0, 0],
        registers: previous.map(|standing| standing.registers),
    };
    let mut standing = previous;
    let mut earliest = header.period_start;
    for (index, bytes) in records.chunks_exact(RECORD_BYTES).enumerate() {
        let refuse = |code| Refusal::new(code, index as u32);
        let bytes: &RecordBytes = bytes.try_into().map_err(|_| malformed)?; // chunks are of this length
        if index == 0 {
            words = pseudonym_words(bytes);
        }
        let record = read_record(bytes, words, &header, earliest).map_err(refuse)?;
        let mut flags = 0;
        let (from, registers, energies) = match standing {
            Some(before) => {
                let mut energies = [0u64; 2];
                for (side, energy) in energies.iter_mut().enumerate() {
                    let step = step(&header, &before, &record, side).map_err(refuse)?;
                    *energy = step.energy;
                    if step.mismatch {
                        flags = REGISTER_MISMATCH;
                    }
                }
                (before.end, before.registers, energies)
            }
            None => {
                let mut registers = record.registers;
                for (side, register) in registers.iter_mut().enumerate() {
                    match register.checked_sub(record.energies[side]) {
                        Some(before) => *register = before,
                        None => flags = REGISTER_MISMATCH,
                    }
                }
                (header.period_start, registers, [0, 0])
            }
        };
        if from < record.start {
            let gap_flags = if standing.is_some() { flags } else { 0 };
            writer
                .fill(pseudonym, (from, record.start), registers, energies, gap_flags)
                .map_err(refuse)?;
        }
        let seconds = record.end - record.start;
        writer
            .write(record.bytes, record.registers, record.energies, seconds, flags)
            .map_err(refuse)?;
        earliest = record.end;
        standing = Some(Standing {
            end: record.end,
            registers: record.registers,
        });
    }
    if let Some(last) = standing {
        writer
            .fill(pseudonym, (last.end, header.period_end), last.registers, [0, 0], 0)
            .map_err(|code| Refusal::new(code, Refusal::NOWHERE))?;
    }
    let written = writer.count;
    output.bytes_mut()[count_at..count_at + 4].copy_from_slice(&written.to_be_bytes());
    Ok(written)
}

/// The ABI's entry point: `output pointer << 32 | length`.
#[cfg(target_arch = "wasm32")]
#[no_mangle]
pub extern "C" fn run(pointer: u32, length: u32) -> u64 {
    abi::run(pointer, length, job)
}
