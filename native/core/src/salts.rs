//! Salts in bulk: `HMAC-SHA256(series_key, tag || u32 index)[:16]` for the records of one series, and
//! `HMAC-SHA256(series_key, tag)[:16]` for what many series have one of.
//!
//! What is made of the key on the way (the keyed state, the half of each code that is no salt) is wiped; the salts are the
//! caller's.

use crate::{Fault, Hash, Salt};
use hmac::digest::FixedOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Most salts derived at once: 2^24 intervals are four centuries of quarter hours.
pub const COUNT_MAX: u64 = 1 << 24;

/// Refuses a count that no series can have, before anything is allocated for it.
pub fn check_count(count: u64) -> Result<(), Fault> {
    if count > COUNT_MAX {
        return Err(Fault::TreeTooLarge { maximum: COUNT_MAX, actual: count });
    }
    Ok(())
}

/// Fills `out` with the salts of indices 0, 1, 2, ... under one series key of 32 bytes.
pub fn derive(series_key: &[u8], tag: u8, out: &mut [Salt]) -> Result<(), Fault> {
    let wrong = Fault::LengthWrong { what: "series_key", expected: 32, actual: series_key.len() as u64 };
    if series_key.len() != 32 {
        return Err(wrong);
    }
    // The two key blocks are hashed once; every salt starts from a copy of that state.
    let keyed = Hmac::<Sha256>::new_from_slice(series_key).map_err(|_| wrong)?;
    // One place for every code, wiped at the end; each MAC wipes its own state.
    let mut code = Zeroizing::new([0; 32]);
    for (slot, index) in out.iter_mut().zip(0u32..) {
        let mut mac = keyed.clone();
        mac.update(&[tag]);
        mac.update(&index.to_be_bytes());
        mac.finalize_into((&mut *code).into());
        slot.copy_from_slice(&code[..16]);
    }
    Ok(())
}

/// Fills `out` with one salt for each of as many series keys.
pub fn of_keys(series_keys: &[Hash], tag: u8, out: &mut [Salt]) {
    let mut code = Zeroizing::new([0; 32]);
    for (slot, key) in out.iter_mut().zip(series_keys) {
        // The constructor refuses no length: the error is of a trait that other algorithms share.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return };
        mac.update(&[tag]);
        mac.finalize_into((&mut *code).into());
        slot.copy_from_slice(&code[..16]);
    }
}
