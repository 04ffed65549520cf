//! `settle`: allocation of shared energy, bills and payouts of one period. docs/spec/settlement.md is normative.
//!
//! Integers only. Bounds: at most 10 000 households with less than 2^50 milliwatt-hours each, so that every sum of
//! energies fits u64; products are done in u128.
#![cfg_attr(target_arch = "wasm32", no_std)]

#[path = "../../abi/abi.rs"]
pub mod abi;
mod allocation;
mod bill;
mod payouts;
mod sha256;
mod tariff;

use abi::{scratch, u64_at, Output, Reader, Refusal};
use allocation::{Bench, Kind, WHOLE};
use bill::{Frame, Totals};
use tariff::Tariff;

const VERSION: u8 = 1;
const MAX_HOUSEHOLDS: u32 = 10_000;
const MAX_CELLS: u64 = 1 << 21;
const MAX_PREVIOUS: u32 = 65_536;
const TIME_LIMIT_S: u64 = 1 << 48;
const ENERGY_LIMIT: u64 = 1 << 50;
const ADDRESS_BYTES: usize = 20;
const IDENTITY_BYTES: usize = 48;

const BAD_FRAMING: u8 = 1;
const BAD_TARIFF: u8 = 2;
const BAD_ALLOCATION: u8 = 3;
const BAD_PREVIOUS: u8 = 4;
const ENERGY_OUT_OF_RANGE: u8 = 5;
const PAYOUT_OUT_OF_RANGE: u8 = 6;

struct Parts<'a> {
    period_start: u64,
    period_end: u64,
    interval_s: u32,
    intervals: usize,
    count: usize,
    tariff: &'a [u8],
    allocation: &'a [u8],
    payees: &'a [u8],
    previous: &'a [u8],
    households: &'a [u8],
}

impl<'a> Parts<'a> {
    fn parse(input: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(input);
        if reader.u8()? != VERSION {
            return None;
        }
        let (period_start, period_end) = (reader.u64()?, reader.u64()?);
        let interval_s = reader.u32()?;
        let count = reader.u32()?;
        if interval_s == 0 || period_start >= period_end || period_end >= TIME_LIMIT_S {
            return None;
        }
        let seconds = period_end - period_start;
        let intervals = seconds / u64::from(interval_s);
        if seconds % u64::from(interval_s) != 0
            || !(1..=MAX_HOUSEHOLDS).contains(&count)
            || intervals > MAX_CELLS / u64::from(count)
        {
            return None;
        }
        let (intervals, count) = (intervals as usize, count as usize);
        let tariff = reader.bytes(tariff::BYTES)?;
        let allocation = reader.bytes(5 + 4 * count)?;
        let payees = reader.bytes(ADDRESS_BYTES * count)?;
        let previous_count = reader.u32().filter(|&previous| previous <= MAX_PREVIOUS)?;
        let previous = reader.bytes(payouts::BYTES * previous_count as usize)?;
        let households = reader.bytes(count * (IDENTITY_BYTES + 16 * intervals))?;
        reader.is_empty().then_some(Parts {
            period_start,
            period_end,
            interval_s,
            intervals,
            count,
            tariff,
            allocation,
            payees,
            previous,
            households,
        })
    }

    fn household(&self, index: usize) -> &'a [u8] {
        let size = IDENTITY_BYTES + 16 * self.intervals;
        &self.households[index * size..(index + 1) * size]
    }

    fn import(&self, index: usize, interval: usize) -> u64 {
        u64_at(self.household(index), IDENTITY_BYTES + 8 * interval)
    }

    fn export(&self, index: usize, interval: usize) -> u64 {
        u64_at(self.household(index), IDENTITY_BYTES + 8 * (self.intervals + interval))
    }
}

/// The key of an allocation: its kind, and one number per household.
fn read_allocation(bytes: &[u8], keys: &mut [u64]) -> Option<Kind> {
    let mut reader = Reader::new(bytes);
    let kind = match reader.u8()? {
        1 => Kind::Static,
        2 => Kind::Dynamic,
        3 => Kind::Priority,
        _ => return None,
    };
    if reader.u32()? as usize != keys.len() {
        return None;
    }
    let mut sum = 0;
    for key in keys.iter_mut() {
        *key = u64::from(reader.u32()?);
        sum += *key;
    }
    let sound = match kind {
        Kind::Static => sum == WHOLE,
        Kind::Dynamic => sum == 0,
        Kind::Priority => true,
    };
    sound.then_some(kind)
}

/// Sums of import and export, or nothing where one reaches the limit.
fn sum_energy(parts: &Parts, index: usize) -> Option<Totals> {
    let mut totals = Totals::default();
    for interval in 0..parts.intervals {
        totals.import = totals.import.checked_add(parts.import(index, interval))?;
        totals.export = totals.export.checked_add(parts.export(index, interval))?;
    }
    (totals.import < ENERGY_LIMIT && totals.export < ENERGY_LIMIT).then_some(totals)
}

/// One job: a period in; bills, payouts and sums out.
pub fn job(input: &[u8], output: &mut Output) -> Result<(), Refusal> {
    let refuse = |code| Refusal::new(code, Refusal::NOWHERE);
    let parts = Parts::parse(input).ok_or_else(|| refuse(BAD_FRAMING))?;
    let tariff = Tariff::parse(parts.tariff).ok_or_else(|| refuse(BAD_TARIFF))?;
    let count = parts.count;
    let keys: &mut [u64] = scratch(count);
    let kind = read_allocation(parts.allocation, keys).ok_or_else(|| refuse(BAD_ALLOCATION))?;
    if !payouts::is_list(parts.previous) {
        return Err(refuse(BAD_PREVIOUS));
    }
    let frame = Frame {
        period_start: parts.period_start,
        period_end: parts.period_end,
        interval_s: parts.interval_s,
        intervals: parts.intervals as u32,
        tariff_digest: sha256::sha256(&[b"wattest/tariff/1", parts.tariff]),
        allocation_digest: sha256::sha256(&[b"wattest/allocation/1", parts.allocation]),
    };

    let order: &mut [u32] = scratch(count);
    for (index, place) in order.iter_mut().enumerate() {
        *place = index as u32;
    }
    order.sort_unstable_by_key(|&index| (keys[index as usize], index));
    let amounts: &mut [u128] = scratch(count);
    let mut bench = Bench::new(count);

    let mut sums = Totals::default();
    for index in 0..count {
        let totals = sum_energy(&parts, index).ok_or_else(|| Refusal::new(ENERGY_OUT_OF_RANGE, index as u32))?;
        sums.import += totals.import;
        sums.export += totals.export;
    }

    let bill_bytes = bill::FIXED_BYTES + 16 * parts.intervals;
    output.begin();
    output.push(&(count as u32).to_be_bytes());
    output.push(&(bill_bytes as u32).to_be_bytes());
    let bills_at = output.length();
    output.push_zeros(count * bill_bytes);
    let bills = &mut output.bytes_mut()[bills_at..];
    for interval in 0..parts.intervals {
        for index in 0..count {
            bench.imports[index] = parts.import(index, interval);
            bench.exports[index] = parts.export(index, interval);
        }
        bench.allocate(kind, keys, order);
        for index in 0..count {
            let shared_at = index * bill_bytes + bill::FIXED_BYTES + 8 * interval;
            let credited_at = shared_at + 8 * parts.intervals;
            bills[shared_at..shared_at + 8].copy_from_slice(&bench.shared[index].to_be_bytes());
            bills[credited_at..credited_at + 8].copy_from_slice(&bench.credited[index].to_be_bytes());
        }
    }

    let mut rounding: i64 = 0;
    for (index, bytes) in bills.chunks_exact_mut(bill_bytes).enumerate() {
        let mut totals = Totals::default();
        for interval in 0..parts.intervals {
            totals.import += parts.import(index, interval);
            totals.export += parts.export(index, interval);
            totals.shared += u64_at(bytes, bill::FIXED_BYTES + 8 * interval);
            totals.shared_export += u64_at(bytes, bill::FIXED_BYTES + 8 * (parts.intervals + interval));
        }
        sums.shared += totals.shared;
        let identity = &parts.household(index)[..IDENTITY_BYTES];
        let cents = bill::write(bytes, identity, &frame, totals, &tariff);
        rounding += cents.community;
        let payee = &parts.payees[index * ADDRESS_BYTES..(index + 1) * ADDRESS_BYTES];
        if cents.total < 0 && payee.iter().any(|&byte| byte != 0) {
            // below 2^53 cents x 10^16 < 2^107
            amounts[index] = u128::from(cents.total.unsigned_abs()) * tariff.units_per_cent;
        }
    }

    let payee = |index: u32| &parts.payees[index as usize * ADDRESS_BYTES..][..ADDRESS_BYTES];
    order.sort_unstable_by(|&a, &b| payee(a).cmp(payee(b)).then(a.cmp(&b)));
    payouts::write(output, parts.previous, parts.payees, amounts, order)
        .map_err(|index| Refusal::new(PAYOUT_OUT_OF_RANGE, index))?;
    output.push(&sums.import.to_be_bytes());
    output.push(&sums.export.to_be_bytes());
    output.push(&sums.shared.to_be_bytes());
    output.push(&rounding.to_be_bytes());
    Ok(())
}

/// The ABI's entry point: `output pointer << 32 | length`.
#[cfg(target_arch = "wasm32")]
#[no_mangle]
pub extern "C" fn run(pointer: u32, length: u32) -> u64 {
    abi::run(pointer, length, job)
}
