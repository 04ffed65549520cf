//! One meter's series in bulk: device blocks opened, `vee` fed and read, series sealed and checked again, keys wrapped,
//! on many threads.
//!
//! Decided here: nothing that Python does not decide as well. Every rule is that of `docs/spec/records.md`, `entries.md`,
//! `sealed-blocks.md` and `hashing-and-keys.md`, over rows of fixed width instead of objects. A row that does not hold gets
//! a verdict and nothing else; the caller runs the plain Python rule on it for the reason, so no error is phrased twice.
//! Nothing here panics on any input or is `unsafe`; what is allocated is bounded by the bytes that were given.

pub mod check;
pub mod crc;
pub mod device_block;
pub mod grid;
pub mod parallel;
pub mod rows;
pub mod seal;
pub mod signatures;
pub mod vee;
pub mod wrap;

pub use rows::{Checked, Opened, Previous, Sealed};

use hmac::digest::FixedOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use wattest_core::Hash;

/// Bytes of a device record, as the meter signs it.
pub const DEVICE_RECORD: usize = 63;

/// Bytes of an interval record: a device record and the digest of its source.
pub const INTERVAL_RECORD: usize = DEVICE_RECORD + 32;

/// Most records of one series.
pub const RECORDS_MAX: usize = 100_000;

/// SHA-256 over parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// HMAC-SHA256 over parts; a key of any length. The keyed state is wiped, the code is the caller's to wipe.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Hash {
    // The constructor refuses no length: the error is of a trait that other algorithms share.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    let mut code = [0; 32];
    mac.finalize_into((&mut code).into());
    code
}
