//! Many multiproofs at once against single ones and against the plain walk, and a growing tree's against a built one's.

mod support;

use support::{Columns, Random, RULE};
use wattest_core::groups::{self, Groups};
use wattest_core::{growing::Growing, multiproof, tree, Fault, Hash, Simd};

/// Random groups of ascending indices of a tree.
fn drawn(random: &mut Random, size: u64, count: usize) -> Vec<Vec<u64>> {
    let group = |random: &mut Random| {
        let mut indices = (0..1 + random.below(12)).map(|_| random.next() % size).collect::<Vec<_>>();
        indices.sort_unstable();
        indices.dedup();
        indices
    };
    (0..count).map(|_| group(random)).collect()
}

fn ends(groups: &[Vec<u64>]) -> Vec<u64> {
    let lengths = groups.iter().map(|group| group.len() as u64);
    lengths
        .scan(0, |end, length| {
            *end += length;
            Some(*end)
        })
        .collect()
}

fn nodes(tree: &[Hash], size: u64, groups: Groups<'_>) -> Vec<Hash> {
    let count = groups::node_count(groups, size).expect("groups inside");
    let mut out = vec![[0; 32]; usize::try_from(count).expect("small")];
    let levels = tree::Levels::new(tree, size).expect("a flat array of this size");
    let read = |level, position| Ok(*levels.node(level, position).expect("a node of the tree"));
    groups::nodes(groups, size, read, &mut out).expect("its count");
    out
}

fn leaves(tree: &[Hash], indices: &[u64]) -> Vec<Hash> {
    indices.iter().map(|&index| tree[usize::try_from(index).expect("small")]).collect()
}

#[test]
fn the_number_of_nodes_is_that_of_the_walk_for_every_set() {
    for size in 1..=11_u64 {
        let tree = Columns::random(&mut Random(size), 8, usize::try_from(size).expect("small")).nodes();
        for set in 1_u64..1 << size {
            let indices = (0..size).filter(|index| set >> index & 1 == 1).collect::<Vec<_>>();
            // What the plain rule of the specification asks for, level by level.
            let (mut known, mut count, mut width) = (indices.clone(), 0, size);
            while width > 1 {
                count += known.iter().filter(|at| **at ^ 1 < width && !known.contains(&(**at ^ 1))).count();
                known = known.iter().map(|at| at >> 1).collect();
                known.dedup();
                width = width.div_ceil(2);
            }
            assert_eq!(multiproof::node_count(&indices, size), Ok(count as u64), "{indices:?} of {size}");
            let nodes = multiproof::nodes(&tree, size, &indices).expect("indices inside");
            assert_eq!(nodes.len(), count);
            let root = tree.last().expect("a root");
            assert_eq!(multiproof::verify(&RULE, root, size, &indices, &leaves(&tree, &indices), &nodes), Ok(()));
        }
    }
}

#[test]
fn the_multiproofs_of_groups_are_the_single_ones() {
    let mut random = Random(31);
    for count in (1..40).chain([255, 256, 257, 1000]) {
        let columns = Columns::random(&mut random, 20, count);
        let (tree, size) = (columns.nodes(), columns.size());
        let groups = drawn(&mut random, size, 90);
        let (indices, ends) = (groups.concat(), ends(&groups));
        let flat = Groups::new(&indices, &ends).expect("ends that ascend");
        assert_eq!(flat.iter().map(<[u64]>::to_vec).collect::<Vec<_>>(), groups);
        let nodes = nodes(&tree, size, flat);
        let single = groups.iter().flat_map(|group| multiproof::nodes(&tree, size, group).expect("inside"));
        assert_eq!(nodes, single.collect::<Vec<_>>());
        for (simd, threads) in Simd::available().into_iter().zip([1, 2, 3]) {
            let given = leaves(&tree, &indices);
            assert_eq!(groups::verify(simd, &tree[tree.len() - 1], size, flat, &given, &nodes, threads), Ok(()));
        }
        let mut growing = Growing::default();
        growing.append(Simd::best(), &columns.flat(Simd::best()), size, 2).expect("room");
        assert_eq!(growing.multiproofs(flat).expect("groups inside"), nodes);
    }
}

#[test]
fn one_changed_bit_refuses_the_group_it_is_in() {
    let mut random = Random(32);
    let columns = Columns::random(&mut random, 20, 300);
    let (tree, size) = (columns.nodes(), columns.size());
    let root = tree[tree.len() - 1];
    let groups = drawn(&mut random, size, 400);
    let (indices, ends) = (groups.concat(), ends(&groups));
    let flat = Groups::new(&indices, &ends).expect("ends that ascend");
    let (given, nodes) = (leaves(&tree, &indices), nodes(&tree, size, flat));
    for simd in Simd::available() {
        for threads in [1, 3] {
            let (mut wrong_leaves, mut wrong_nodes) = (given.clone(), nodes.clone());
            let place = random.below(given.len());
            wrong_leaves[place][random.below(32)] ^= 1 << random.below(8);
            let owner = ends.iter().position(|end| *end > place as u64).expect("a group") as u64;
            let refused = groups::verify(simd, &root, size, flat, &wrong_leaves, &nodes, threads);
            assert!(matches!(refused, Err(Fault::OfProof { position, .. }) if position == owner));

            let node = random.below(nodes.len());
            wrong_nodes[node][random.below(32)] ^= 1 << random.below(8);
            let mut before = 0;
            let owner = groups.iter().position(|group| {
                before += multiproof::node_count(group, size).expect("inside");
                before > node as u64
            });
            let refused = groups::verify(simd, &root, size, flat, &given, &wrong_nodes, threads);
            let refused = refused.expect_err("a changed node");
            assert!(matches!(refused, Fault::OfProof { position, .. } if Some(position) == owner.map(|at| at as u64)));
            assert_eq!(refused.name(), "RootMismatch");
        }
    }
}

#[test]
fn what_are_no_groups() {
    let refused = |indices: &[u64], ends: &[u64]| Groups::new(indices, ends).expect_err("no groups");
    for (indices, ends) in [(&[1, 2][..], &[1][..]), (&[1, 2], &[2, 1]), (&[1, 2], &[3]), (&[1], &[]), (&[], &[1])] {
        assert_eq!(refused(indices, ends).name(), "LengthWrong");
    }
    assert_eq!(refused(&[1], &[u64::MAX, 1]).name(), "LengthWrong");
    let judged = |indices: &[u64], ends: &[u64], size| {
        let groups = Groups::new(indices, ends).expect("ends that ascend");
        groups::verify(Simd::best(), &[0; 32], size, groups, &vec![[0; 32]; indices.len()], &[], 1).map_err(|fault| {
            let place = fault.fields().into_iter().find(|(name, _)| *name == "position");
            (fault.name(), place.map(|(_, value)| value))
        })
    };
    let at = |position| Some(wattest_core::Value::Number(position));
    assert_eq!(judged(&[], &[], 4), Err(("NoIndices", None)));
    assert_eq!(judged(&[0, 1], &[2, 2], 4), Err(("NoIndices", at(1))));
    assert_eq!(judged(&[0, 1, 1], &[1, 3], 4), Err(("IndicesNotAscending", at(1))));
    assert_eq!(judged(&[0, 4], &[1, 2], 4), Err(("IndexOutOfRange", at(1))));
    assert_eq!(judged(&[0, 1], &[1, 2], 4), Err(("NodeCountWrong", None)));
    let many = usize::try_from(wattest_core::batch::PROOFS_MAX).expect("small") + 1;
    assert_eq!(judged(&vec![0; many], &[many as u64], 4).expect_err("too many").0, "TooManyProofs");
    assert_eq!(judged(&[], &vec![0; many], 4).expect_err("too many").0, "TooManyProofs");
    assert_eq!(multiproof::node_count(&[0, u64::MAX], 4).expect_err("outside").name(), "IndexOutOfRange");
}
