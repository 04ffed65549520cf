//! The shared vectors of device blocks and p256 signatures, as Python reads them too; and laws over rows and threads.

use serde_json::Value;
use std::path::Path;
use wattest_series::rows::HOLDS;
use wattest_series::signatures::Algorithm;
use wattest_series::{device_block, signatures, vee, Previous};

fn cases(family: &str) -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(format!("{family}.json"));
    let text = std::fs::read_to_string(&file).expect("the vector file is in the checkout");
    let parsed: Value = serde_json::from_str(&text).expect("the vector file is JSON");
    let cases = parsed["cases"].as_array().expect("cases").clone();
    assert!(!cases.is_empty());
    cases
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("text")).expect("hex")
}

fn ends(parts: &[Vec<u8>]) -> Vec<u64> {
    parts
        .iter()
        .scan(0, |end, part| {
            *end += part.len() as u64;
            Some(*end)
        })
        .collect()
}

#[test]
fn device_blocks() {
    let cases = cases("metering/device_blocks");
    let blocks = cases.iter().map(|case| bytes(&case["bytes"])).collect::<Vec<_>>();
    for threads in [1, 3, 200] {
        let rows = device_block::open(&blocks.concat(), &ends(&blocks), threads);
        assert_eq!(rows.len(), cases.len());
        for (row, case) in rows.iter().zip(&cases) {
            let accepted = case["outcome"] == "accepted";
            assert_eq!(row.verdict()[0] == HOLDS, accepted, "{}", case["name"]);
            if accepted && case["digest"].is_string() {
                assert_eq!(row.digest().to_vec(), bytes(&case["digest"]), "{}", case["name"]);
            }
        }
    }
}

#[test]
fn parts_that_lie_outside_do_not_hold() {
    let block = bytes(&cases("metering/device_blocks")[0]["bytes"]);
    let length = block.len() as u64;
    for wrong in [vec![length + 1], vec![u64::MAX], vec![length, 3], vec![length, length]] {
        let rows = device_block::open(&block, &wrong, 1);
        assert_ne!(rows.last().expect("a row").verdict()[0], HOLDS);
    }
    assert!(device_block::open(&block, &[], 4).is_empty());
}

#[test]
fn nothing_but_a_result_of_so_many_jobs_is_read() {
    let record = [1_u8; 63];
    let good = [&[0, 0, 0, 0, 1, 0, 0, 0, 1][..], &record].concat();
    assert_eq!(vee::output(&good, 1).expect("a result"), vec![&record[..]]);
    for (jobs, wrong) in [
        (2, good.clone()),
        (0, good.clone()),
        (1, good[..good.len() - 1].to_vec()),
        (1, [&good[..], &[0]].concat()),
        (1, [&[1], &good[1..]].concat()),
        (1, vec![0, 0, 0, 0, 1, 0, 0, 0, 0]),
        (1, vec![0, 0, 0, 0, 1, 255, 255, 255, 255]),
        (1, Vec::new()),
        (usize::MAX, good.clone()),
    ] {
        assert!(vee::output(&wrong, jobs).is_none());
    }
}

#[test]
fn rows_of_another_number_make_no_input() {
    let block = bytes(&cases("metering/device_blocks")[0]["bytes"]);
    let end = [block.len() as u64];
    let rows = device_block::open(&block, &end, 1);
    let rules = vee::Rules { interval_s: 900, most_per_interval: 1 };
    let previous = [Previous::default()];
    assert!(vee::input(&block, &end, &rows, &previous, rules).is_some());
    assert!(vee::input(&block, &end, &rows, &[], rules).is_none());
    assert!(vee::input(&block, &[], &rows, &previous, rules).is_none());
    assert!(vee::input(&block[..block.len() - 63], &[end[0] - 63], &rows, &previous, rules).is_none());
}

#[test]
fn signatures_whose_buffers_are_short_do_not_hold() {
    let verdicts = signatures::verify(Algorithm::P256, &[0; 63], b"message", &[7], &[[0; 64]], 2);
    assert_eq!(verdicts, [0]);
    let verdicts = signatures::verify(Algorithm::Ed25519, &[0; 32], b"message", &[], &[[0; 64]], 2);
    assert_eq!(verdicts, [0]);
}
