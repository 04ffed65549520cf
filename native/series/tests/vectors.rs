//! The shared vectors of device blocks and signatures, as Python reads them too; laws over rows and threads.

use serde_json::Value;
use sha2::Digest;
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
fn signatures_at_the_edges() {
    for (file, algorithm) in [("secp256r1", Algorithm::P256), ("secp256k1", Algorithm::Secp256k1)] {
        let cases = cases(&format!("signatures/{file}"));
        let asked = cases.iter().filter(|case| case["message"].is_string()).collect::<Vec<_>>();
        let (mut held, mut refused) = (0, 0);
        let (mut keys, mut messages, mut pairs, mut expected) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for case in &asked {
            let accepted = case["outcome"] == "accepted";
            let (key, message) = (bytes(&case["public_key"]), bytes(&case["message"]));
            let Ok(signature) = <[u8; 64]>::try_from(bytes(&case["signature"])) else {
                assert!(!accepted);
                continue;
            };
            assert_eq!(algorithm.holds(&key, &message, &signature), accepted, "{}: {}", case["kind"], case["name"]);
            *if accepted { &mut held } else { &mut refused } += 1;
            if key.len() == 64 {
                keys.extend(key);
                messages.push(message);
                pairs.push(signature);
                expected.push(u8::from(accepted));
            }
        }
        assert!(held > 100 && refused > 100, "{held} {refused}");
        for threads in [1, 3] {
            let verdicts = signatures::verify(algorithm, &keys, &messages.concat(), &ends(&messages), &pairs, threads);
            assert_eq!(verdicts, expected);
        }
    }
}

#[test]
fn signatures_whose_buffers_are_short_do_not_hold() {
    let verdicts = signatures::verify(Algorithm::P256, &[0; 63], b"message", &[7], &[[0; 64]], 2);
    assert_eq!(verdicts, [0]);
    let verdicts = signatures::verify(Algorithm::Ed25519, &[0; 32], b"message", &[], &[[0; 64]], 2);
    assert_eq!(verdicts, [0]);
}

#[test]
fn signatures_of_secp256k1_hold_under_their_own_key_alone() {
    let key = |secret: u8| {
        let secret = secp256k1::SecretKey::from_secret_bytes([secret; 32]).expect("a scalar");
        let point = secp256k1::PublicKey::from_secret_key(&secret).serialize_uncompressed();
        (secret, point[1..].to_vec())
    };
    let keys = [key(1), key(2), key(1), key(3)];
    let messages = [b"one".to_vec(), b"two".to_vec(), b"".to_vec(), b"four".to_vec()];
    let sign = |(secret, message): (&secp256k1::SecretKey, &Vec<u8>)| {
        let digest = sha2::Sha256::digest(message).into();
        secp256k1::ecdsa::sign(secp256k1::Message::from_digest(digest), secret).serialize_compact()
    };
    let signatures = keys.iter().map(|(secret, _)| secret).zip(&messages).map(sign).collect::<Vec<_>>();
    let points = keys.iter().map(|(_, point)| point.clone()).collect::<Vec<_>>();
    let judge = |points: &[Vec<u8>], signatures: &[[u8; 64]], threads| {
        signatures::verify(
            Algorithm::Secp256k1,
            &points.concat(),
            &messages.concat(),
            &ends(&messages),
            signatures,
            threads,
        )
    };
    for threads in [1, 3] {
        assert_eq!(judge(&points, &signatures, threads), [1; 4]);
        let mut others = points.clone();
        others.swap(1, 3);
        assert_eq!(judge(&others, &signatures, threads), [1, 0, 1, 0]);
        others[2] = vec![0; 64];
        assert_eq!(judge(&others, &signatures, threads), [1, 0, 0, 0]);
        assert_eq!(judge(&points[..3], &signatures, threads), [1, 1, 1, 0]);
    }
    for (point, message, signature) in points.iter().zip(&messages).zip(&signatures).map(|((a, b), c)| (a, b, c)) {
        assert!(Algorithm::Secp256k1.holds(point, message, signature));
        assert!(!Algorithm::Secp256k1.holds(&point[..63], message, signature));
        assert!(!Algorithm::Secp256k1.holds(&[point, &[0][..]].concat(), message, signature));
        assert!(!Algorithm::Secp256k1.holds(point, message, &[0; 64]));
    }
}
