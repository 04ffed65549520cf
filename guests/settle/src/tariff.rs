//! Prices in micro-cents per kilowatt-hour, and the token's decimals. docs/spec/settlement.md, "Tariff".

use crate::abi::Reader;

pub const BYTES: usize = 50;
const VERSION: u8 = 1;
const PRICE_MAX: u64 = 1_000_000_000_000;

pub struct Tariff {
    pub units_per_cent: u128,
    pub energy: u64,
    pub grid: u64,
    pub community: u64,
    pub community_grid: u64,
    pub feed_in: u64,
    pub fixed_per_day: u64,
}

impl Tariff {
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        let decimals = reader.u8()?;
        if version != VERSION || !(2..=18).contains(&decimals) {
            return None;
        }
        let tariff = Tariff {
            units_per_cent: 10u128.pow(u32::from(decimals) - 2),
            energy: price(&mut reader)?,
            grid: price(&mut reader)?,
            community: price(&mut reader)?,
            community_grid: price(&mut reader)?,
            feed_in: price(&mut reader)?,
            fixed_per_day: price(&mut reader)?,
        };
        reader.is_empty().then_some(tariff)
    }
}

fn price(reader: &mut Reader) -> Option<u64> {
    reader.u64().filter(|&price| price <= PRICE_MAX)
}
