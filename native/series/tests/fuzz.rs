//! Every entry point of this crate over input made to break it: rows, verdicts or None, never a panic.
//!
//! Seeds and settings are those of `native/core/tests/fuzz.rs`.

#[path = "../../core/tests/support/mod.rs"]
mod support;

use serde_json::Value;
use std::path::Path;
use support::{awkward, fuzz, Random};
use wattest_core::Simd;
use wattest_series::rows::HOLDS;
use wattest_series::seal::{Batch, Series};
use wattest_series::signatures::Algorithm;
use wattest_series::vee::Rules;
use wattest_series::{check, crc, device_block, seal, signatures, vee, wrap, Checked, Opened, Previous};

/// The shared vectors' device blocks, accepted and refused.
fn blocks() -> Vec<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/metering/device_blocks.json");
    let text = std::fs::read_to_string(&file).expect("the vector file is in the checkout");
    let parsed: Value = serde_json::from_str(&text).expect("the vector file is JSON");
    let cases = parsed["cases"].as_array().expect("cases").iter();
    cases.map(|case| hex::decode(case["bytes"].as_str().expect("text")).expect("hex")).collect()
}

/// A few blocks, most with a byte or two changed, cut or moved, and where each ends, now and then a lie.
fn some(random: &mut Random, known: &[Vec<u8>]) -> (Vec<u8>, Vec<u64>) {
    let (mut flat, mut ends) = (vec![], vec![]);
    for _ in 0..random.below(4) {
        let mut block = known[random.below(known.len())].clone();
        for _ in 0..random.below(3) {
            let at = random.below(block.len());
            match random.below(4) {
                0 => block.truncate(at),
                1 => block.extend(random.bytes(70)),
                _ => block.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
            }
            if block.is_empty() {
                break;
            }
        }
        flat.extend(block);
        ends.push(if random.below(8) == 0 { awkward(random) } else { flat.len() as u64 });
    }
    (flat, ends)
}

fn row<const N: usize>(random: &mut Random) -> [u8; N] {
    random.bytes(N).try_into().expect("its length")
}

#[test]
fn device_blocks_of_any_bytes() {
    let known = blocks();
    fuzz(150, |random| {
        let (flat, ends) = some(random, &known);
        let rows = device_block::open(&flat, &ends, 1 + random.below(3));
        assert_eq!(rows.len(), ends.len());
        let mut previous = rows.iter().map(|_| Previous(row(random))).collect::<Vec<_>>();
        let _ = previous.len() > 1 && random.below(8) == 0 && previous.pop().is_some();
        let rules = Rules { interval_s: row::<4>(random)[0].into(), most_per_interval: awkward(random) };
        let _ = vee::input(&flat, &ends, &rows, &previous, rules);
        let length = random.below(200);
        let _ = device_block::records(&random.bytes(length));
    });
}

#[test]
fn what_a_guest_may_answer() {
    fuzz(2000, |random| {
        let jobs = random.below(4);
        let mut bytes = vec![u8::from(random.below(8) == 0)];
        let told = if random.below(4) == 0 { random.next() } else { jobs as u64 };
        bytes.extend(&told.to_be_bytes()[4..]);
        for _ in 0..jobs {
            let count = random.below(4);
            let said = if random.below(6) == 0 { awkward(random) } else { count as u64 };
            bytes.extend(&said.to_be_bytes()[4..]);
            bytes.extend(random.bytes(63 * count));
        }
        if random.below(4) == 0 {
            bytes.truncate(random.below(bytes.len() + 1));
        }
        if let Some(series) = vee::output(&bytes, jobs) {
            assert_eq!(series.len(), jobs);
        }
        let _ = vee::output(&bytes, usize::try_from(awkward(random)).unwrap_or(usize::MAX));
    });
}

#[test]
fn series_of_any_rows() {
    let known = blocks();
    let ends = known.iter().scan(0, |end, block| {
        *end += block.len() as u64;
        Some(*end)
    });
    let opened = device_block::open(&known.concat(), &ends.collect::<Vec<_>>(), 1);
    let held = opened.iter().zip(&known).filter(|(row, _)| row.verdict()[0] == HOLDS).collect::<Vec<_>>();
    assert!(!held.is_empty());
    fuzz(150, |random| {
        let (genuine, block) = held[random.below(held.len())];
        let opened = if random.below(4) == 0 { Opened(row(random)) } else { *genuine };
        let mut edited = device_block::records(block).to_vec();
        match random.below(4) {
            0 => edited.truncate(random.below(edited.len() + 1)),
            1 => edited.extend(random.bytes(63)),
            2 => {
                let at = random.below(edited.len());
                edited[at] ^= 1 << random.below(8);
            }
            _ => {}
        }
        let (channel, name, key, digest) = (random.hash(), random.hash(), random.hash(), random.hash());
        let previous = if random.below(2) == 0 { Previous::default() } else { Previous(row(random)) };
        let expected = if random.below(4) == 0 { Some(&digest) } else { None };
        let series = Series { opened: &opened, edited: &edited, previous: &previous, name: &name, key: &key, expected };
        let batch = Batch { simd: Simd::best(), channel: &channel, sequence: awkward(random) };
        let count = random.below(4);
        let sealed = seal::seal(batch, &vec![series; count], 1 + random.below(3));
        assert_eq!(sealed.len(), count);
        assert!(sealed.iter().all(|(row, block)| (row.verdict()[0] == HOLDS) != block.is_empty()));
    });
}

#[test]
fn signatures_and_keys_of_any_bytes() {
    fuzz(150, |random| {
        let algorithm = [Algorithm::P256, Algorithm::Secp256k1, Algorithm::Ed25519][random.below(3)];
        let (keys, length, count) = (random.below(300), random.below(200), random.below(4));
        let (keys, messages) = (random.bytes(keys), random.bytes(length));
        let ends = (0..random.below(5)).map(|_| awkward(random)).collect::<Vec<_>>();
        let given = (0..count).map(|_| row::<64>(random)).collect::<Vec<_>>();
        let verdicts = signatures::verify(algorithm, &keys, &messages, &ends, &given, random.below(4));
        assert_eq!(verdicts, vec![0; count]);
        let _ = algorithm.holds(&keys, &messages, &row(random));
    });
}

#[test]
fn wrapping_for_any_readers() {
    fuzz(60, |random| {
        let mut contexts = wrap::ReaderContexts::new(random.hash());
        for _ in 0..random.below(4) {
            let count = random.below(4);
            let names = (0..count).map(|_| random.hash()).collect::<Vec<_>>();
            let keys = (0..if random.below(8) == 0 { 1 } else { count }).map(|_| random.hash()).collect::<Vec<_>>();
            let readers = (0..random.below(6))
                .map(|_| if random.below(4) == 0 { [random.below(2).to_le_bytes()[0]; 32] } else { random.hash() })
                .collect::<Vec<_>>();
            let mut ends = (0..count).map(|at| ((at + 1) * readers.len() / count) as u64).collect::<Vec<_>>();
            if random.below(4) == 0 {
                ends.iter_mut().take(1).for_each(|end| *end = awkward(random));
            }
            let Ok(wrapping) = contexts.check_out(awkward(random), &names, &keys, &readers, &ends) else { continue };
            let _ = wrapping.page(random.below(5)..random.below(5), random.below(4));
            let pages = wrapping.page(0..count, 1 + random.below(2)).expect("every entry");
            assert_eq!(pages.len(), count);
            assert!(pages.iter().flatten().all(|keys| keys.len() % wrap::WRAPPED == 0));
        }
    });
}

#[test]
fn checking_any_series() {
    fuzz(150, |random| {
        let (channel, count) = (random.hash(), random.below(4));
        let hashes = (0..count).map(|_| random.hash()).collect::<Vec<_>>();
        let entries = (0..count).map(|_| row::<118>(random)).collect::<Vec<_>>();
        let length = random.below(900);
        let flat = random.bytes(length);
        let mut ends = (0..count).map(|at| ((at + 1) * length / count) as u64).collect::<Vec<_>>();
        if random.below(3) == 0 {
            ends.iter_mut().take(1).for_each(|end| *end = awkward(random));
        }
        let batch = Batch { simd: Simd::best(), channel: &channel, sequence: awkward(random) };
        let opened = check::open(batch, &hashes, &hashes, &flat, &ends, 1 + random.below(2));
        assert!(opened.iter().all(Vec::is_empty), "random bytes open under no key");
        let checked = check::check(Simd::best(), &entries, &hashes, &flat, &ends, 1 + random.below(2));
        assert!(checked.iter().all(|row| row.verdict()[0] != HOLDS));
        let told = (0..random.below(4)).map(|_| Checked(row(random))).collect::<Vec<_>>();
        let rules = Rules { interval_s: row::<4>(random)[0].into(), most_per_interval: awkward(random) };
        for rows in [checked, told] {
            let _ = check::vee_input(&flat, &ends, &rows, rules);
            let _ = check::compare(&flat, &ends, &rows, &[&flat, &[]]);
        }
    });
}

#[test]
fn checksums_of_any_bytes() {
    fuzz(200, |random| {
        let length = random.below(200);
        let _ = crc::crc16(&random.bytes(length));
    });
}
