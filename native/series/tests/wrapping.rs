//! Wrapped keys: the shared vectors, and that no message number comes twice under a context.

use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use wattest_core::{Fault, Hash};
use wattest_series::wrap::{associated, info, number, Context, ReaderContexts, Wrapping, ENTRIES_MAX, WRAPPED};

const CHANNEL: Hash = [7; 32];

fn cases(file: &str, family: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(file);
    let text = std::fs::read_to_string(path).expect("the vector file is in the checkout");
    let parsed: Value = serde_json::from_str(&text).expect("the vector file is JSON");
    parsed[family].as_array().expect("cases").clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("text")).expect("hex")
}

fn hash(value: &Value) -> Hash {
    bytes(value).try_into().expect("32 bytes")
}

fn count<T: std::str::FromStr>(value: &Value) -> T
where
    T::Err: std::fmt::Debug,
{
    value.as_str().expect("text").parse().expect("a decimal number")
}

#[test]
fn contexts_seal_what_the_vectors_say() {
    let mut checked = 0;
    for case in cases("crypto/hpke.json", "cases") {
        if case["outcome"] != "accepted" || bytes(&case["plaintext"]).len() != 32 {
            continue;
        }
        let (enc, reader) = (hash(&case["enc"]), hash(&case["public_key"]));
        let context = Context::scheduled(&bytes(&case["secret"]), enc, &reader, &bytes(&case["info"]));
        let sealed = context.seal(count(&case["number"]), &bytes(&case["associated"]), &hash(&case["plaintext"]));
        assert_eq!(sealed.expect("sealed").to_vec(), [bytes(&case["enc"]), bytes(&case["sealed"])].concat());
        checked += 1;
    }
    assert!(checked >= 4);
}

#[test]
fn series_keys_are_wrapped_as_the_vectors_say() {
    let cases = cases("sealed_blocks/sealed_blocks.json", "wrapped_keys");
    assert!(!cases.is_empty());
    for case in cases {
        let (sequence, name) = (count(&case["sequence"]), hash(&case["name"]));
        let wrapped = bytes(&case["wrapped"]);
        let enc = wrapped[..32].try_into().expect("32 bytes");
        assert_eq!(info(&hash(&case["channel"])), bytes(&case["info"]));
        assert_eq!(number(sequence, count(&case["index"])), count::<u128>(&case["number"]));
        assert_eq!(associated(sequence, &name).to_vec(), bytes(&case["associated"]));
        let context = Context::scheduled(&bytes(&case["secret"]), enc, &hash(&case["reader"]), &bytes(&case["info"]));
        let sealed = context.seal(count(&case["number"]), &bytes(&case["associated"]), &hash(&case["series_key"]));
        assert_eq!(sealed.expect("sealed").to_vec(), wrapped);
    }
}

/// Readers' keys: any 32 bytes but a few are one.
fn reader(of: u8) -> Hash {
    [of.max(2); 32]
}

/// A batch of `keys.len()` entries; every one is for readers 100 and 101, and for one of its own.
fn batch(contexts: &mut ReaderContexts, sequence: u64, keys: &[Hash]) -> Wrapping {
    let names = (0..keys.len()).map(|at| [u8::try_from(at).expect("few"); 32]).collect::<Vec<_>>();
    let readers = (0..keys.len()).flat_map(|at| [reader(100), reader(10 + names[at][0]), reader(101)]);
    let ends = (1..=keys.len() as u64).map(|at| 3 * at).collect::<Vec<_>>();
    contexts.check_out(sequence, &names, keys, &readers.collect::<Vec<_>>(), &ends).expect("a batch")
}

fn page(wrapping: &Wrapping, from: usize, to: usize, threads: usize) -> Vec<Vec<u8>> {
    let page = wrapping.page(from..to, threads).expect("inside");
    page.into_iter().map(|entry| entry.expect("readers that take secrets")).collect()
}

fn encs(page: &[Vec<u8>]) -> HashSet<Vec<u8>> {
    page.iter().flat_map(|entry| entry.chunks(WRAPPED).map(|key| key[..32].to_vec())).collect()
}

#[test]
fn a_page_is_the_same_however_it_is_asked_for() {
    let keys = (0..70).map(|at| [at; 32]).collect::<Vec<_>>();
    let wrapping = batch(&mut ReaderContexts::new(CHANNEL), 1, &keys);
    let mut parts = vec![Vec::new(); keys.len()];
    for (from, to) in [(40, 70), (3, 41), (0, 5), (10, 12)] {
        for (at, entry) in page(&wrapping, from, to, 3).into_iter().enumerate() {
            assert!(parts[from + at].is_empty() || parts[from + at] == entry);
            parts[from + at] = entry;
        }
    }
    for threads in [1, 2, 8] {
        assert_eq!(page(&wrapping, 0, keys.len(), threads), parts);
    }
    assert_eq!(encs(&parts).len(), keys.len() + 2);
    assert!(parts.iter().all(|entry| entry.len() == 3 * WRAPPED));
    assert_eq!(page(&wrapping, 5, 5, 1), Vec::<Vec<u8>>::new());
}

#[test]
fn a_context_serves_ascending_batches_only() {
    let mut contexts = ReaderContexts::new(CHANNEL);
    let keys = [[1; 32], [2; 32]];
    let first = encs(&page(&batch(&mut contexts, 5, &keys), 0, 2, 1));
    let later = encs(&page(&batch(&mut contexts, 6, &keys), 0, 2, 1));
    assert_eq!(later, first);
    let mut seen = first.clone();
    // Again, rolled back, back to the number after, and again: a new context wherever the sequence is not greater.
    for (sequence, is_new) in
        [(6, true), (3, true), (4, false), (4, true), (5, false), (6, false), (u64::MAX, false), (0, true)]
    {
        let found = encs(&page(&batch(&mut contexts, sequence, &keys), 0, 2, 1));
        assert_eq!(found.is_disjoint(&seen), is_new, "sequence {sequence}");
        seen.extend(found);
    }
    assert!(encs(&page(&batch(&mut ReaderContexts::new(CHANNEL), 7, &keys), 0, 2, 1)).is_disjoint(&seen));
}

#[test]
fn two_takings_of_one_batch_share_no_context_though_neither_made_a_page() {
    let mut contexts = ReaderContexts::new(CHANNEL);
    let (one, other) = (batch(&mut contexts, 5, &[[1; 32]]), batch(&mut contexts, 5, &[[2; 32]]));
    let next = batch(&mut contexts, 6, &[[3; 32]]);
    assert!(encs(&page(&one, 0, 1, 1)).is_disjoint(&encs(&page(&other, 0, 1, 1))));
    assert_eq!(encs(&page(&next, 0, 1, 1)), encs(&page(&other, 0, 1, 1)));
}

#[test]
fn no_number_means_two_messages_whatever_is_asked() {
    let mut contexts = ReaderContexts::new(CHANNEL);
    let mut messages: HashMap<(Vec<u8>, u64, usize), Vec<u8>> = HashMap::new();
    let mut held = Vec::new();
    let mut dice = 1_u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    for turn in 0..200_u8 {
        let sequence = 1 + roll(6);
        let keys = (0..1 + roll(3)).map(|at| [turn ^ u8::try_from(at << 6).expect("few"); 32]).collect::<Vec<_>>();
        held.push((sequence, keys.len(), batch(&mut contexts, sequence, &keys)));
        let (sequence, count, wrapping) = &held[usize::try_from(roll(held.len() as u64)).expect("small")];
        for (index, entry) in page(wrapping, 0, *count, 2).into_iter().enumerate() {
            for key in entry.chunks(WRAPPED) {
                let place = (key[..32].to_vec(), *sequence, index);
                let known = messages.entry(place).or_insert_with(|| key.to_vec());
                assert_eq!(known, key, "one number, two messages");
            }
        }
    }
    assert!(messages.len() > 200);
}

#[test]
fn readers_of_the_newest_batch_alone_are_kept() {
    let mut contexts = ReaderContexts::new(CHANNEL);
    let wide = (0..50).map(|at| [at; 32]).collect::<Vec<_>>();
    let before = encs(&page(&batch(&mut contexts, 1, &wide), 0, 50, 2));
    assert_eq!(contexts.len(), 52);
    let narrow = encs(&page(&batch(&mut contexts, 2, &wide[..1]), 0, 1, 2));
    assert_eq!(contexts.len(), 3);
    assert!(narrow.is_subset(&before));
    let again = encs(&page(&batch(&mut contexts, 3, &wide), 0, 50, 2));
    assert_eq!(again.intersection(&before).count(), 3);
    assert!(!contexts.is_empty());
}

#[test]
fn a_reader_that_takes_no_secret_is_named_in_place_of_its_entry() {
    let mut contexts = ReaderContexts::new(CHANNEL);
    let readers = [reader(9), reader(9), [0; 32], reader(9)];
    let wrapping = contexts.check_out(1, &[[1; 32]; 3], &[[2; 32]; 3], &readers, &[1, 3, 4]).expect("a batch");
    let page = wrapping.page(0..3, 2).expect("inside");
    assert!(page[0].is_ok() && page[2].is_ok());
    assert_eq!(page[1], Err([0; 32]));
}

#[test]
fn columns_that_do_not_belong_together_are_refused() {
    let mut contexts = ReaderContexts::new(CHANNEL);
    let (two, readers) = ([[1; 32]; 2], [reader(9); 2]);
    for (names, keys, ends) in [
        (&two[..], &two[..1], &[1, 2][..]),
        (&two[..1], &two[..], &[1, 2]),
        (&two, &two, &[2]),
        (&two, &two, &[1, 3]),
        (&two, &two, &[1, 1]),
        (&two, &two, &[3, 2]),
        (&two, &two, &[u64::MAX, 2]),
        (&[], &[], &[]),
    ] {
        let refused = contexts.check_out(1, names, keys, &readers, ends);
        assert!(matches!(refused, Err(Fault::LengthWrong { .. })));
    }
    let many = vec![[1; 32]; ENTRIES_MAX + 1];
    assert!(contexts.check_out(1, &many, &many, &[], &vec![0; many.len()]).is_err());
    let most = contexts.check_out(1, &many[1..], &many[1..], &readers, &vec![2; ENTRIES_MAX]).expect("a batch");
    let refused = most.page(ENTRIES_MAX..ENTRIES_MAX + 1, 1);
    assert!(matches!(refused, Err(Fault::IndexOutOfRange { .. })));
    assert_eq!(page(&most, ENTRIES_MAX - 1, ENTRIES_MAX, 1), [Vec::<u8>::new()]);
}
