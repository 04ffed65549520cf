//! Batches of proofs against single ones: same paths, and one changed bit refuses exactly the proof it is in.

mod support;

use support::{Columns, Random, RULE};
use wattest_core::{batch, inclusion, Fault, Hash, Simd};

fn paths(nodes: &[Hash], size: u64, indices: &[u64]) -> Vec<Hash> {
    let count = batch::node_count(indices, size).expect("indices inside");
    let mut out = vec![[0; 32]; usize::try_from(count).expect("small")];
    batch::paths(nodes, size, indices, &mut out).expect("a flat array of this size");
    out
}

#[test]
fn the_paths_of_a_batch_are_the_single_paths() {
    let mut random = Random(5);
    for size in (1..40).chain([255, 256, 257, 1000]) {
        let columns = Columns::random(&mut random, 20, size);
        let (nodes, size) = (columns.nodes(), columns.size());
        let indices = (0..70).map(|_| random.next() % size).collect::<Vec<_>>();
        let single = indices.iter().flat_map(|&index| inclusion::path(&nodes, size, index).expect("a path"));
        let flat = paths(&nodes, size, &indices);
        assert_eq!(flat, single.collect::<Vec<_>>());

        let leaves = indices.iter().map(|&index| nodes[usize::try_from(index).expect("small")]).collect::<Vec<_>>();
        let root = nodes.last().expect("a root");
        for simd in Simd::available() {
            assert_eq!(batch::verify(simd, root, size, &indices, &leaves, &flat, 1), Ok(()));
        }
        inclusion::verify(&RULE, root, &leaves[0], indices[0], size, &paths(&nodes, size, &indices[..1])).expect("it");
    }
}

#[test]
fn one_changed_bit_refuses_the_proof_it_is_in() {
    let mut random = Random(6);
    let columns = Columns::random(&mut random, 20, 300);
    let (nodes, size) = (columns.nodes(), columns.size());
    let root = nodes.last().expect("a root");
    let indices = (0..3000).map(|_| random.next() % size).collect::<Vec<_>>();
    let leaves = indices.iter().map(|&index| nodes[usize::try_from(index).expect("small")]).collect::<Vec<_>>();
    let flat = paths(&nodes, size, &indices);
    for simd in Simd::available() {
        for threads in [1, 3] {
            assert_eq!(batch::verify(simd, root, size, &indices, &leaves, &flat, threads), Ok(()));
            let (mut wrong_leaves, mut wrong_nodes) = (leaves.clone(), flat.clone());
            let place = random.below(leaves.len());
            wrong_leaves[place][random.below(32)] ^= 1 << random.below(8);
            let refused = batch::verify(simd, root, size, &indices, &wrong_leaves, &flat, threads);
            assert!(matches!(refused, Err(Fault::OfProof { position, .. }) if position == place as u64));

            let node = random.below(flat.len());
            wrong_nodes[node][random.below(32)] ^= 1 << random.below(8);
            let mut before = 0;
            let owner = indices.iter().position(|&index| {
                before += usize::try_from(inclusion::path_length(index, size).expect("inside")).expect("small");
                before > node
            });
            let refused = batch::verify(simd, root, size, &indices, &leaves, &wrong_nodes, threads);
            let refused = refused.expect_err("a changed node");
            assert!(matches!(refused, Fault::OfProof { position, .. } if Some(position) == owner.map(|at| at as u64)));
            assert_eq!(refused.name(), "RootMismatch");
        }
    }
}

#[test]
fn what_is_no_batch() {
    let (simd, zero) = (Simd::best(), [0; 32]);
    let refused = |size, indices: &[u64], leaves: usize, nodes: usize| {
        let (leaves, nodes) = (vec![zero; leaves], vec![zero; nodes]);
        batch::verify(simd, &zero, size, indices, &leaves, &nodes, 1).expect_err("no batch").name()
    };
    assert_eq!(refused(0, &[0], 1, 0), "EmptyTree");
    assert_eq!(refused(1 << 32, &[0], 1, 32), "TreeTooLarge");
    assert_eq!(refused(4, &[], 0, 0), "NoIndices");
    assert_eq!(refused(4, &[0], 2, 2), "LeavesMismatch");
    assert_eq!(refused(4, &[0, 4], 2, 4), "IndexOutOfRange");
    assert_eq!(refused(4, &[0, u64::MAX], 2, 4), "IndexOutOfRange");
    assert_eq!(refused(4, &[0, 1], 2, 3), "NodeCountWrong");
    assert_eq!(refused(4, &[0, 1], 2, 5), "NodeCountWrong");
    assert_eq!(refused(4, &[0, 1], 2, 4), "RootMismatch");
    let many = vec![0; usize::try_from(batch::PROOFS_MAX).expect("small") + 1];
    assert_eq!(refused(4, &many, many.len(), 0), "TooManyProofs");
    assert_eq!(batch::paths(&[zero; 3], 2, &[0], &mut []).expect_err("no room").name(), "NodeCountWrong");
    assert_eq!(batch::paths(&[zero; 2], 2, &[0], &mut [zero]).expect_err("no tree").name(), "LengthWrong");
}
