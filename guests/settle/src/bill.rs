//! One household's bill: seven lines in whole cents, and where each field lies. docs/spec/settlement.md, "Bill".

use crate::tariff::Tariff;

pub const VERSION: u8 = 1;
/// Bytes before the two columns of shares.
pub const FIXED_BYTES: usize = 353;
const LINES: usize = 7;
const MICRO_CENTS_PER_CENT: u128 = 1_000_000;
const MILLIWATT_HOURS_PER_KILOWATT_HOUR: u128 = 1_000_000;
const SECONDS_PER_DAY: u128 = 86_400;

/// What a bill repeats of its job.
pub struct Frame {
    pub period_start: u64,
    pub period_end: u64,
    pub interval_s: u32,
    pub intervals: u32,
    pub tariff_digest: [u8; 32],
    pub allocation_digest: [u8; 32],
}

/// A household's sums over the period, milliwatt-hours, each below 2^50.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    pub import: u64,
    pub export: u64,
    pub shared: u64,
    pub shared_export: u64,
}

/// Cents that one bill comes to: in all, and for community energy paid and credited.
pub struct Amounts {
    pub total: i64,
    pub community: i64,
}

/// Writes everything before the columns of shares into `bytes`.
pub fn write(bytes: &mut [u8], identity: &[u8], frame: &Frame, totals: Totals, tariff: &Tariff) -> Amounts {
    let seconds = frame.period_end - frame.period_start;
    let energy = MICRO_CENTS_PER_CENT * MILLIWATT_HOURS_PER_KILOWATT_HOUR;
    let rest = totals.import - totals.shared;
    let surplus = totals.export - totals.shared_export;
    // kind, quantity, price, divisor, whether it is owed to the household
    let lines: [(u64, u64, u128, bool); LINES] = [
        (rest, tariff.energy, energy, false),
        (rest, tariff.grid, energy, false),
        (totals.shared, tariff.community, energy, false),
        (totals.shared, tariff.community_grid, energy, false),
        (totals.shared_export, tariff.community, energy, true),
        (surplus, tariff.feed_in, energy, true),
        (
            seconds,
            tariff.fixed_per_day,
            MICRO_CENTS_PER_CENT * SECONDS_PER_DAY,
            false,
        ),
    ];
    let mut field = Fields { bytes, at: 0 };
    field.put(&[VERSION]);
    field.put(identity);
    field.put(&frame.period_start.to_be_bytes());
    field.put(&frame.period_end.to_be_bytes());
    field.put(&frame.interval_s.to_be_bytes());
    field.put(&frame.intervals.to_be_bytes());
    field.put(&frame.tariff_digest);
    field.put(&frame.allocation_digest);
    for total in [totals.import, totals.export, totals.shared, totals.shared_export] {
        field.put(&total.to_be_bytes());
    }
    field.put(&[LINES as u8]);
    let mut total = 0;
    let mut community = 0;
    for (index, &(quantity, price, divisor, owed)) in lines.iter().enumerate() {
        let cents = amount(quantity, price, divisor);
        let signed = if owed { -cents } else { cents };
        total += signed;
        if index == 2 || index == 4 {
            community += signed;
        }
        field.put(&[index as u8 + 1]);
        field.put(&quantity.to_be_bytes());
        field.put(&price.to_be_bytes());
        field.put(&signed.to_be_bytes());
    }
    field.put(&total.to_be_bytes());
    Amounts { total, community }
}

/// Cents, half a cent rounded up. quantity < 2^50 and price <= 10^12: the result is below 2^51.
fn amount(quantity: u64, price: u64, divisor: u128) -> i64 {
    ((u128::from(quantity) * u128::from(price) + divisor / 2) / divisor) as i64
}

struct Fields<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Fields<'_> {
    fn put(&mut self, field: &[u8]) {
        self.bytes[self.at..self.at + field.len()].copy_from_slice(field);
        self.at += field.len();
    }
}
