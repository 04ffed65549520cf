//! The cumulative payout list: previous sums plus what is owed now, by address. docs/spec/settlement.md, "Payouts".

use crate::abi::{Output, Reader};

pub const BYTES: usize = 52;
const ADDRESS_BYTES: usize = 20;

/// Whether a previous list is strictly ascending, without zeros, and every amount below 2^128.
pub fn is_list(list: &[u8]) -> bool {
    let mut before: &[u8] = &[0; ADDRESS_BYTES];
    list.chunks_exact(BYTES).all(|payout| {
        let ascending = &payout[..ADDRESS_BYTES] > before;
        before = &payout[..ADDRESS_BYTES];
        ascending && matches!(amount(payout), Some(1..))
    })
}

/// The amount of one payout, unless it is 2^128 or more.
fn amount(payout: &[u8]) -> Option<u128> {
    let mut reader = Reader::new(&payout[ADDRESS_BYTES..]);
    let high = (reader.u64()?, reader.u64()?);
    let low = u128::from(reader.u64()?) << 64 | u128::from(reader.u64()?);
    (high == (0, 0)).then_some(low)
}

/// Appends count and list: `previous` merged with the amounts of `payees`, visited in `order` of their addresses.
///
/// Gives the index of the household whose payout reaches 2^128, if there is one.
pub fn write(output: &mut Output, previous: &[u8], payees: &[u8], amounts: &[u128], order: &[u32]) -> Result<(), u32> {
    let count_at = output.length();
    output.push(&[0; 4]);
    let mut count: u32 = 0;
    let mut old = previous.chunks_exact(BYTES).peekable();
    let mut new = order.iter().copied().filter(|&i| amounts[i as usize] > 0).peekable();
    loop {
        let payee = |i: u32| &payees[i as usize * ADDRESS_BYTES..][..ADDRESS_BYTES];
        let address = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(payout), None) => &payout[..ADDRESS_BYTES],
            (None, Some(&index)) => payee(index),
            (Some(payout), Some(&index)) => payee(index).min(&payout[..ADDRESS_BYTES]),
        };
        let mut sum: u128 = 0;
        if let Some(payout) = old.next_if(|payout| &payout[..ADDRESS_BYTES] == address) {
            sum = amount(payout).unwrap_or(0); // `is_list` has seen that it is one
        }
        while let Some(index) = new.next_if(|&index| payee(index) == address) {
            sum = sum.checked_add(amounts[index as usize]).ok_or(index)?;
        }
        output.push(address);
        output.push(&[0; 16]);
        output.push(&sum.to_be_bytes());
        count += 1;
    }
    output.bytes_mut()[count_at..count_at + 4].copy_from_slice(&count.to_be_bytes());
    Ok(())
}
