//! The shared vectors of series blocks and sealed blocks, as Python reads them too; and laws over rows and buffers.

use serde_json::Value;
use std::path::Path;
use wattest_core::{Hash, Simd};
use wattest_series::rows::HOLDS;
use wattest_series::seal::Batch;
use wattest_series::vee::Rules;
use wattest_series::{check, Checked};

const RULES: Rules = Rules { interval_s: 900, most_per_interval: 25_000_000 };

fn vectors(family: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(format!("{family}.json"));
    let text = std::fs::read_to_string(&file).expect("the vector file is in the checkout");
    serde_json::from_str(&text).expect("the vector file is JSON")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("text")).expect("hex")
}

fn hash(value: &Value) -> Hash {
    bytes(value).try_into().expect("32 bytes")
}

fn entry_of(plaintext: &[u8]) -> [u8; 118] {
    let mut entry = [0; 118];
    let there = &plaintext[2.min(plaintext.len())..120.min(plaintext.len())];
    entry[..there.len()].copy_from_slice(there);
    entry
}

/// Every series block of the vectors: its plaintext, its key, and whether it is one that a meter signed and that holds.
fn series_blocks() -> Vec<(Vec<u8>, Hash, bool)> {
    let parsed = vectors("metering/series_blocks");
    let cases = parsed["cases"].as_array().expect("cases");
    let read = |case: &Value| {
        let block = bytes(&case["bytes"]);
        let holds = case["outcome"] == "accepted" && block[3] == 1;
        let key = case["series_key"].as_str().map_or([0; 32], |_| hash(&case["series_key"]));
        (block, key, holds)
    };
    cases.iter().map(read).collect()
}

#[test]
fn series_blocks_hold_as_the_vectors_say() {
    let cases = series_blocks();
    let data = cases.iter().flat_map(|(block, _, _)| block.clone()).collect::<Vec<_>>();
    let mut end = 0;
    let ends = cases.iter().map(|(block, _, _)| {
        end += block.len() as u64;
        end
    });
    let ends = ends.collect::<Vec<_>>();
    let entries = cases.iter().map(|(block, _, _)| entry_of(block)).collect::<Vec<_>>();
    let keys = cases.iter().map(|(_, key, _)| *key).collect::<Vec<_>>();
    for threads in [1, 3, 200] {
        let rows = check::check(Simd::best(), &entries, &keys, &data, &ends, threads);
        let held = rows.iter().map(|row| row.verdict()[0] == HOLDS).collect::<Vec<_>>();
        assert_eq!(held, cases.iter().map(|(_, _, holds)| *holds).collect::<Vec<_>>());
    }
    assert!(cases.iter().filter(|(_, _, holds)| *holds).count() >= 2);
}

#[test]
fn a_block_holds_under_its_own_entry_and_key_alone() {
    let (block, key, _) = series_blocks().into_iter().find(|(_, _, holds)| *holds).expect("one that holds");
    let (entry, end) = (entry_of(&block), [block.len() as u64]);
    let holds = |entry, key, block: &[u8], ends: &[u64]| {
        check::check(Simd::best(), &[entry], &[key], block, ends, 1)[0].verdict()[0] == HOLDS
    };
    assert!(holds(entry, key, &block, &end));
    for at in 0..118 {
        let mut other = entry;
        other[at] ^= 1;
        assert!(!holds(other, key, &block, &end), "byte {at} of the entry");
        let mut changed = block.clone();
        changed[2 + at] ^= 1;
        // The name is what the ciphertext is bound to; the plaintext does not say whose it is.
        assert_eq!(holds(entry_of(&changed), key, &changed, &end), (2..34).contains(&at), "byte {at} of both");
    }
    for at in 0..block.len() {
        let mut other = block.clone();
        other[at] ^= 0x80;
        let previous = at >= 120 && block[1] == 1 && at < 144;
        assert!(previous || !holds(entry, key, &other, &end), "byte {at} of the block");
        assert!(!holds(entry, key, &block[..at], &[at as u64]), "cut at {at}");
    }
    let mut other = key;
    other[0] ^= 1;
    assert!(!holds(entry, other, &block, &end));
    for ends in [[end[0] + 1], [u64::MAX], [0]] {
        assert!(!holds(entry, key, &block, &ends));
    }
    assert!(check::check(Simd::best(), &[], &[], &block, &end, 1)[0].verdict()[0] != HOLDS);
}

#[test]
fn blocks_open_as_what_they_are_and_as_nothing_else() {
    let parsed = vectors("sealed_blocks/sealed_blocks");
    for case in parsed["blocks"].as_array().expect("blocks") {
        let open = |case: &Value| {
            let channel = hash(&case["channel"]);
            let sequence = case["sequence"].as_str().expect("text").parse().expect("a number");
            let batch = Batch { simd: Simd::best(), channel: &channel, sequence };
            let block = bytes(&case["ciphertext"]);
            let ends = [block.len() as u64];
            let names_and_keys = ([hash(&case["name"])], [hash(&case["series_key"])]);
            check::open(batch, &names_and_keys.0, &names_and_keys.1, &block, &ends, 1).remove(0)
        };
        assert_eq!(open(case), bytes(&case["plaintext"]), "{}", case["label"]);
        for refused in case["refused"].as_array().expect("refused") {
            let mut changed = case.clone();
            changed[refused["part"].as_str().expect("text")] = refused["value"].clone();
            assert!(open(&changed).is_empty(), "{} {}", case["label"], refused["part"]);
        }
    }
    let batch = Batch { simd: Simd::best(), channel: &[0; 32], sequence: 0 };
    assert!(check::open(batch, &[], &[], &[0; 64], &[64, u64::MAX], 2).iter().all(Vec::is_empty));
}

#[test]
fn rows_that_are_not_of_these_blocks_make_no_job() {
    let (block, key, _) = series_blocks().into_iter().find(|(_, _, holds)| *holds).expect("one that holds");
    let end = [block.len() as u64];
    let rows = check::check(Simd::best(), &[entry_of(&block)], &[key], &block, &end, 1);
    let input = check::vee_input(&block, &end, &rows, RULES).expect("a job");
    assert_eq!(input[..5], [2, 0, 0, 0, 1]);
    assert!(check::vee_input(&block, &[], &rows, RULES).is_none());
    assert!(check::vee_input(&block[1..], &end, &rows, RULES).is_none());
    assert!(check::vee_input(&block, &end, &[], RULES).is_none());
    let mut told = rows[0];
    told.0[89] ^= 1; // the number of measured records
    assert!(check::vee_input(&block, &end, &[told], RULES).is_none());

    let count = u32::from_be_bytes(rows[0].count()) as usize;
    let start = if block[1] == 1 { 148 } else { 124 };
    let edited = block[start..start + 95 * count].chunks(95).flat_map(|record| record[..63].to_vec());
    let edited = edited.collect::<Vec<_>>();
    let compare = |rows: &[Checked], edited: &[&[u8]]| check::compare(&block, &end, rows, edited);
    assert_eq!(compare(&rows, &[&edited]), Some(vec![HOLDS]));
    assert_eq!(compare(&rows, &[&edited[63..]]), Some(vec![check::REFUSED]));
    assert_eq!(compare(&rows, &[&[&edited[..], &edited[..63]].concat()]), Some(vec![check::REFUSED]));
    assert_eq!(compare(&rows, &[&[]]), Some(vec![check::REFUSED]));
    assert!(compare(&rows, &[]).is_none());
    let mut refused = rows[0];
    refused.0[0] = check::REFUSED;
    assert_eq!(compare(&[refused], &[]), Some(vec![check::REFUSED]));
}
