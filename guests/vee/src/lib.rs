//! `vee`: validation, estimation, editing of one meter's interval records. docs/spec/vee.md is normative.
//!
//! Integers only; every sum and product is done in a type that holds it. Measured fields are copied, never recomputed.
#![cfg_attr(target_arch = "wasm32", no_std)]
#![deny(missing_docs)]

#[allow(missing_docs)]
#[path = "../../abi/abi.rs"]
pub mod abi;

use abi::{u64_at, Output, Reader, Refusal};

const VERSION: u8 = 1;
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

struct Header {
    period_start: u64,
    period_end: u64,
    interval_s: u32,
    modulus: u128,
    max_energy: u64,
}

impl Header {
    fn is_implausible(&self, energy: u128, seconds: u64) -> bool {
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
        ((u128::from(register) + u128::from(energy)) % self.modulus) as u64
    }
}

/// Where the series stands: the end of the last interval, and its registers.
#[derive(Clone, Copy)]
struct Standing {
    end: u64,
    registers: Pair,
}

struct Record<'a> {
    bytes: &'a [u8],
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
    totals: [u128; 2],
    registers: Option<Pair>,
}

impl<'a> Writer<'a> {
    fn write(
        &mut self,
        bytes: &[u8; RECORD_BYTES],
        registers: Pair,
        energies: Pair,
        seconds: u64,
        mut flags: u8,
    ) -> Result<(), u8> {
        if self.count == MAX_RECORDS {
            return Err(TOO_MANY);
        }
        self.count += 1;
        for side in 0..2 {
            if self.registers.map_or(false, |before| registers[side] < before[side]) {
                flags |= ROLLOVER;
            }
            if self.header.is_implausible(u128::from(energies[side]), seconds) {
                flags |= IMPLAUSIBLE;
            }
            self.totals[side] += u128::from(energies[side]);
            if self.totals[side] > u128::from(u64::MAX) {
                return Err(ENERGY_OVERFLOW);
            }
        }
        self.registers = Some(registers);
        let mut record = *bytes;
        record[QUALITY] = flags;
        self.output.push(&record);
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
    let modulus = match reader.u64()? {
        0 => 1u128 << 64,
        modulus => u128::from(modulus),
    };
    let max_energy = reader.u64()?;
    let end = reader.u64()?;
    let registers = [reader.u64()?, reader.u64()?];
    let count = reader.u32()?;
    let previous = match flags {
        0 if end == 0 && registers == [0, 0] => None,
        1 if end <= period_start && registers.iter().all(|&r| u128::from(r) < modulus) => {
            Some(Standing { end, registers })
        }
        _ => return None,
    };
    let sound = version == VERSION
        && period_start < period_end
        && period_end < TIME_LIMIT_S
        && (1..=MAX_RECORDS).contains(&count);
    let header = Header {
        period_start,
        period_end,
        interval_s,
        modulus,
        max_energy,
    };
    sound.then_some((header, previous, count))
}

fn read_record<'a>(bytes: &'a [u8], pseudonym: &[u8], header: &Header, earliest: u64) -> Result<Record<'a>, u8> {
    if bytes[0] != VERSION {
        return Err(BAD_RECORD_VERSION);
    }
    if &bytes[1..START] != pseudonym {
        return Err(MIXED_PSEUDONYMS);
    }
    if bytes[QUALITY] != 0 {
        return Err(QUALITY_TAKEN);
    }
    let start = u64_at(bytes, START);
    let d = &bytes[DURATION..REGISTERS[0]];
    let duration = u64::from(u32::from_be_bytes([d[0], d[1], d[2], d[3]]));
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
    let registers = [u64_at(bytes, REGISTERS[0]), u64_at(bytes, REGISTERS[1])];
    let energies = [u64_at(bytes, ENERGIES[0]), u64_at(bytes, ENERGIES[1])];
    if registers
        .iter()
        .chain(&energies)
        .any(|&v| u128::from(v) >= header.modulus)
    {
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
        let wrapped = u128::from(to) + header.modulus - u128::from(from);
        let explained = (contiguous && wrapped == u128::from(energy))
            || (header.max_energy > 0 && !header.is_implausible(wrapped, record.end - before.end));
        if !explained {
            return Err(BACKWARDS);
        }
        wrapped as u64 // below the modulus, since `to` is below `from`
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

/// One job: header and records in, edited records out.
pub fn job(input: &[u8], output: &mut Output) -> Result<(), Refusal> {
    let malformed = Refusal::new(BAD_HEADER, Refusal::NOWHERE);
    let mut reader = Reader::new(input);
    let (header, previous, count) = read_header(&mut reader).ok_or(malformed)?;
    let records = reader.bytes(count as usize * RECORD_BYTES).ok_or(malformed)?;
    if !reader.is_empty() {
        return Err(malformed);
    }
    let pseudonym = &records[1..START];
    output.begin();
    let count_at = output.length();
    output.push(&[0; 4]); // the count, known at the end
    let mut writer = Writer {
        header: &header,
        output,
        count: 0,
        totals: [0, 0],
        registers: previous.map(|standing| standing.registers),
    };
    let mut standing = previous;
    let mut earliest = header.period_start;
    for (index, bytes) in records.chunks_exact(RECORD_BYTES).enumerate() {
        let refuse = |code| Refusal::new(code, index as u32);
        let record = read_record(bytes, pseudonym, &header, earliest).map_err(refuse)?;
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
        let gap_flags = if standing.is_some() { flags } else { 0 };
        writer
            .fill(pseudonym, (from, record.start), registers, energies, gap_flags)
            .map_err(refuse)?;
        let mut measured = [0u8; RECORD_BYTES];
        measured.copy_from_slice(record.bytes);
        writer
            .write(
                &measured,
                record.registers,
                record.energies,
                record.end - record.start,
                flags,
            )
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
    let written = writer.count.to_be_bytes();
    output.bytes_mut()[count_at..count_at + 4].copy_from_slice(&written);
    Ok(())
}

/// The ABI's entry point: `output pointer << 32 | length`.
#[cfg(target_arch = "wasm32")]
#[no_mangle]
pub extern "C" fn run(pointer: u32, length: u32) -> u64 {
    abi::run(pointer, length, job)
}
