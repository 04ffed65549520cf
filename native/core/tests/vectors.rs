//! The shared vectors of `vectors/merkle` and `vectors/crypto`, as Python and Solidity read them too.

use serde_json::Value;
use std::path::Path;
use wattest_core::frontier::Frontier;
use wattest_core::groups::{self, Groups};
use wattest_core::{
    batch, inclusion, keccak, keccak::Keccak, multiproof, salts, sha256, tree, Fault, Hash, NodeRule, Salt, Simd,
};

const RULE: Keccak = Keccak::ONE_BY_ONE;

type Outcome = Result<(), Fault>;

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

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().expect("the length of a digest or salt")
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().expect("a list").iter().map(read).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn judged(case: &Value, outcome: Outcome) {
    let name = match &outcome {
        Ok(()) => "accepted",
        Err(fault) => fault.name(),
    };
    assert_eq!(name, case["outcome"].as_str().expect("an outcome"), "{}", case["name"]);
}

/// A tree's flat array out of leaves that are already hashed is not offered; trees are built from payloads.
fn build(payloads: &[Vec<u8>], salts: &[Salt]) -> Vec<Hash> {
    let count = tree::node_count(payloads.len() as u64).expect("a size");
    let mut nodes = vec![[0; 32]; usize::try_from(count).expect("small")];
    let leaves = payloads.iter().map(Vec::as_slice).zip(salts.iter().copied());
    tree::build_unequal(Simd::best(), leaves, &mut nodes).expect("valid payloads");
    nodes
}

#[test]
fn leaves() {
    for case in cases("merkle/leaves") {
        let made = keccak::leaf(&array(&case["salt"]), &bytes(&case["payload"]));
        if let Ok(leaf) = &made {
            assert_eq!(*leaf, array::<32>(&case["leaf"]), "{}", case["name"]);
        }
        judged(&case, made.map(|_| ()));
    }
}

#[test]
fn trees_and_every_proof_out_of_them() {
    for case in cases("merkle/trees") {
        let (payloads, salts) = (list(&case["payloads"], bytes), list(&case["salts"], array::<16>));
        let (leaves, root) = (list(&case["leaves"], array::<32>), array::<32>(&case["root"]));
        let nodes = build(&payloads, &salts);
        assert_eq!(nodes[..leaves.len()], leaves);
        assert_eq!(nodes.last(), Some(&root));

        let width = payloads[0].len();
        if width > 0 && payloads.iter().all(|payload| payload.len() == width) {
            for simd in Simd::available() {
                let mut flat = vec![[0; 32]; nodes.len()];
                let joined = payloads.concat();
                let source = tree::Flat::new(simd, &joined, width, &salts).expect("lengths that agree");
                tree::build(simd, &source, salts.len() as u64, &mut flat, 2).expect("the same tree");
                assert_eq!(flat, nodes, "{}", simd.name());
            }
        }

        let size = leaves.len() as u64;
        for (index, leaf) in (0u64..).zip(&leaves) {
            let path = inclusion::path(&nodes, size, index).expect("a path");
            assert_eq!(path.len() as u64, inclusion::path_length(index, size).expect("a length"));
            inclusion::verify(&RULE, &root, leaf, index, size, &path).expect("its own path");
            assert_eq!(multiproof::nodes(&nodes, size, &[index]).expect("a multiproof"), path);
        }
    }
}

#[test]
fn inclusion_proofs() {
    for case in [cases("merkle/inclusion"), cases("merkle/probes")].concat() {
        judged(&case, verified(&RULE, &case, &array(&case["leaf"])));
    }
}

#[test]
fn inclusion_proofs_of_unsalted_trees() {
    for case in cases("merkle/sha256_probes") {
        judged(&case, verified(&sha256::Rfc9162, &case, &array(&case["leaf"])));
    }
    for case in cases("merkle/item_probes") {
        let leaf = sha256::leaf(&bytes(&case["item"])).expect("an item");
        judged(&case, verified(&sha256::Rfc9162, &case, &leaf));
    }
}

#[test]
fn no_changed_bit_is_overlooked() {
    let whole = |family: &str| cases(family).into_iter().filter(|case| case["kind"] == "whole").collect::<Vec<_>>();
    let (salted, unsalted) = (whole("merkle/probes"), whole("merkle/sha256_probes"));
    assert!(salted.len() > 5 && unsalted.len() > 5);
    salted.iter().for_each(|case| every_bit(&RULE, case));
    unsalted.iter().for_each(|case| every_bit(&sha256::Rfc9162, case));
}

/// Every bit of root, leaf and path of a proof that holds.
fn every_bit(rule: &impl NodeRule, case: &Value) {
    let mut parts = vec![array::<32>(&case["root"]), array::<32>(&case["leaf"])];
    parts.extend(list(&case["path"], array::<32>));
    let (index, size) = (number(&case["index"]), number(&case["size"]));
    let judge = |parts: &[Hash]| inclusion::verify(rule, &parts[0], &parts[1], index, size, &parts[2..]);
    assert_eq!(judge(&parts), Ok(()));
    for bit in 0..256 * parts.len() {
        let (part, octet, mask) = (bit / 256, bit / 8 % 32, 0x80_u8 >> (bit % 8));
        parts[part][octet] ^= mask;
        assert_eq!(judge(&parts).expect_err("another bit").name(), "RootMismatch", "{}: {bit}", case["name"]);
        parts[part][octet] ^= mask;
    }
}

fn verified(rule: &impl NodeRule, case: &Value, leaf: &Hash) -> Outcome {
    let path = list(&case["path"], array::<32>);
    inclusion::verify(rule, &array(&case["root"]), leaf, number(&case["index"]), number(&case["size"]), &path)
}

#[test]
fn multiproofs() {
    for case in [cases("merkle/multiproof"), cases("merkle/multiproof_probes")].concat() {
        let (indices, size) = (list(&case["indices"], number), number(&case["size"]));
        let (leaves, nodes) = (list(&case["leaves"], array::<32>), list(&case["nodes"], array::<32>));
        judged(&case, multiproof::verify(&RULE, &array(&case["root"]), size, &indices, &leaves, &nodes));
    }
}

#[test]
fn batches() {
    for case in cases("merkle/batch") {
        let (indices, size, root) = (list(&case["indices"], number), number(&case["size"]), array(&case["root"]));
        let (leaves, nodes) = (list(&case["leaves"], array::<32>), list(&case["nodes"], array::<32>));
        for simd in Simd::available() {
            let outcome = batch::verify(simd, &root, size, &indices, &leaves, &nodes, 2);
            let position = match &outcome {
                Err(Fault::OfProof { position, .. }) => Some(*position),
                _ => None,
            };
            assert_eq!(position, case["position"].as_u64(), "{}", case["name"]);
            judged(&case, outcome);
        }
    }
}

/// Each corrupted proof alone, and as the fifth of nine whole ones, so that no lane hides it.
#[test]
fn batches_with_one_corrupted_proof() {
    let (mut whole, mut refused) = (Value::Null, 0);
    for case in cases("merkle/probes") {
        if case["kind"] == "whole" {
            whole = case.clone();
        }
        let (root, size, index) = (array(&case["root"]), number(&case["size"]), number(&case["index"]));
        let (leaf, path) = (array(&case["leaf"]), list(&case["path"], array::<32>));
        let single = match case["outcome"].as_str().expect("an outcome") {
            "PathLengthWrong" => "NodeCountWrong",
            other => other,
        };
        let (other_leaf, other_path) = (array(&whole["leaf"]), list(&whole["path"], array::<32>));
        let same_tree = case["root"] == whole["root"] && case["size"] == whole["size"];
        for simd in Simd::available() {
            let alone = batch::verify(simd, &root, size, &[index], &[leaf], &path, 1);
            assert_eq!(alone.as_ref().map_or_else(Fault::name, |()| "accepted"), single, "{}", case["name"]);
            if !same_tree || single == "NodeCountWrong" {
                continue;
            }
            let mut indices = [number(&whole["index"]); 9];
            let (mut leaves, mut nodes) = ([other_leaf; 9], vec![other_path.clone(); 9]);
            (indices[4], leaves[4], nodes[4]) = (index, leaf, path.clone());
            let found = batch::verify(simd, &root, size, &indices, &leaves, &nodes.concat(), 2);
            if let Err(Fault::OfProof { position, .. }) = &found {
                assert_eq!(*position, 4, "{}", case["name"]);
                refused += 1;
            }
            assert_eq!(found.as_ref().map_or_else(Fault::name, |()| "accepted"), single, "{}", case["name"]);
        }
    }
    assert!(refused > 200, "{refused}");
}

#[test]
fn groups_of_leaves() {
    for case in cases("merkle/groups") {
        let (groups, size) = (list(&case["groups"], |group| list(group, number)), number(&case["size"]));
        let (leaves, nodes) = (list(&case["leaves"], array::<32>), list(&case["nodes"], array::<32>));
        let ends = groups.iter().scan(0, |end, group| {
            *end += group.len() as u64;
            Some(*end)
        });
        let (indices, ends) = (groups.concat(), ends.collect::<Vec<_>>());
        let groups = Groups::new(&indices, &ends).expect("ends that ascend");
        for simd in Simd::available() {
            let outcome = groups::verify(simd, &array(&case["root"]), size, groups, &leaves, &nodes, 2);
            let position = match &outcome {
                Err(Fault::OfProof { position, .. }) => Some(*position),
                _ => None,
            };
            assert_eq!(position, case["position"].as_u64(), "{}", case["name"]);
            judged(&case, outcome);
        }
    }
}

#[test]
fn growing_trees() {
    for case in cases("merkle/growing") {
        let (payloads, salts) = (list(&case["payloads"], bytes), list(&case["salts"], array::<16>));
        let hashed = payloads.iter().zip(&salts).map(|(payload, salt)| keccak::leaf(salt, payload).expect("a leaf"));
        let (mut frontier, mut made) = (Frontier::default(), Vec::new());
        frontier.append(&RULE, &hashed.collect::<Vec<_>>(), &mut made).expect("room");
        assert_eq!(made, list(&case["nodes"], array::<32>), "{}", case["name"]);
        assert_eq!(frontier.edge(&RULE).expect("leaves").root(), array(&case["root"]), "{}", case["name"]);
    }
}

#[test]
fn unsalted_trees() {
    for case in cases("merkle/sha256") {
        let (items, width) = (bytes(&case["items"]), usize::try_from(number(&case["width"])).expect("small"));
        let (index, size) = (number(&case["index"]), number(&case["size"]));
        assert_eq!(tree::unsalted_size(&items, width), Ok(size));
        let count = usize::try_from(tree::node_count(size).expect("a size")).expect("small");
        let mut nodes = vec![[0; 32]; count];
        tree::build_sha256(&items, width, &mut nodes).expect("valid items");
        assert_eq!(nodes.last(), Some(&array(&case["tree_root"])));

        let path = list(&case["path"], array::<32>);
        if case["outcome"] == "accepted" {
            assert_eq!(inclusion::path(&nodes, size, index).expect("a path"), path);
        }
        let leaf = sha256::leaf(&bytes(&case["item"])).expect("an item");
        judged(&case, inclusion::verify(&sha256::Rfc9162, &array(&case["root"]), &leaf, index, size, &path));
    }
}

#[test]
fn salts_in_bulk() {
    for case in cases("crypto/salts") {
        let expected = list(&case["salts"], array::<16>);
        let mut derived = vec![[0; 16]; expected.len()];
        let tag = u8::try_from(number(&case["tag"])).expect("a byte");
        salts::derive(&bytes(&case["series_key"]), tag, &mut derived).expect("a key of 32 bytes");
        assert_eq!(derived, expected);
    }
}

#[test]
fn keccak_digests() {
    for case in cases("crypto/keccak") {
        assert_eq!(keccak::keccak256(&bytes(&case["data"])), array::<32>(&case["digest"]));
    }
}
