//! Every kernel of this processor against the plain hash: all widths, all fillings of the lanes, any number of threads.

mod support;

use support::{Columns, Random, RULE};
use wattest_core::{blocks, keccak, keccak::Keccak, tree, NodeRule, Simd};

#[test]
fn the_kernels_of_this_processor() {
    let names = Simd::available().into_iter().map(Simd::name).collect::<Vec<_>>();
    assert_eq!(names.last(), Some(&"scalar"));
    for name in &names {
        assert_eq!(Simd::named(name).expect("it is available").name(), *name);
    }
    let refused = Simd::named("sse9").expect_err("no such kernel");
    assert_eq!(refused.asked, "sse9");
    println!("kernels tested here: {names:?}");
}

#[test]
fn leaves_of_every_width_and_count() {
    let mut random = Random(1);
    for simd in Simd::available() {
        for width in 1..=118 {
            let count = 1 + random.below(20);
            let columns = Columns::random(&mut random, width, count);
            let nodes = columns.nodes();
            let mut built = vec![[0; 32]; nodes.len()];
            tree::build(simd, &columns.flat(simd), columns.size(), &mut built, 1).expect("a tree");
            for ((leaf, payload), salt) in built.iter().zip(columns.payloads.chunks(width)).zip(&columns.salts) {
                assert_eq!(*leaf, keccak::leaf(salt, payload).expect("a leaf"), "{} width {width}", simd.name());
            }
            assert_eq!(built, nodes, "{} width {width} count {count}", simd.name());
        }
    }
}

#[test]
fn parents_in_every_filling_of_the_lanes() {
    let mut random = Random(2);
    for simd in Simd::available() {
        for count in 0..40 {
            let below = (0..count).map(|_| random.hash()).collect::<Vec<_>>();
            let (mut lanes, mut plain) =
                (vec![[0; 32]; below.len().div_ceil(2)], vec![[0; 32]; below.len().div_ceil(2)]);
            Keccak(simd).level(&below, &mut lanes);
            for (parent, children) in plain.iter_mut().zip(below.chunks(2)) {
                *parent = match children {
                    [left, right] => RULE.node(left, right),
                    alone => alone[0],
                };
            }
            assert_eq!(lanes, plain, "{} {count}", simd.name());
        }
    }
}

#[test]
fn shares_and_threads_make_the_same_tree() {
    let mut random = Random(3);
    for size in [1, 7, 8, 255, 256, 2047, 2048, 2049, 4095, 4096, 4097, 6145, 10_000, 16_384] {
        let columns = Columns::random(&mut random, 31, size);
        let nodes = columns.nodes();
        for simd in Simd::available() {
            for threads in [0, 1, 2, 3, 1000] {
                let mut built = vec![[9; 32]; nodes.len()];
                tree::build(simd, &columns.flat(simd), columns.size(), &mut built, threads).expect("a tree");
                assert!(built == nodes, "{} size {size} threads {threads}", simd.name());
            }
        }
    }
}

#[test]
fn bare_permutations_agree_between_kernels() {
    let states = Simd::available().into_iter().map(|simd| blocks::permutations(simd, 3 * 8)).collect::<Vec<_>>();
    // A kernel of eight lanes runs 3 rounds of its lanes, one of a single lane 24: compare where the counts are equal.
    for simd in Simd::available() {
        let lanes = [1u64, 2, 4, 8].into_iter().find(|lanes| {
            blocks::permutations(simd, *lanes) == blocks::permutations(simd, 1)
                && blocks::permutations(simd, lanes + 1) != blocks::permutations(simd, *lanes)
        });
        let lanes = lanes.expect("some number of lanes");
        let scalar = Simd::named("scalar").expect("always there");
        assert_eq!(blocks::permutations(simd, 5 * lanes), blocks::permutations(scalar, 5), "{}", simd.name());
    }
    assert!(!states.is_empty());
}

#[test]
fn one_node_is_the_same_by_every_kernel() {
    let mut hash = [0x5a; 32];
    for step in 0..64_u8 {
        let other = keccak::keccak256(&[step]);
        let expected = Keccak::ONE_BY_ONE.node(&hash, &other);
        for simd in Simd::available() {
            assert_eq!(Keccak(simd).node(&hash, &other), expected, "{}", simd.name());
        }
        hash = expected;
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn one_state_alone_is_permuted_as_in_general_registers() {
    use wattest_lanes::{Avx512One, Kernel, Scalar, State};

    let Some(kernel) = Avx512One::detect() else { return };
    let (mut state, mut expected) = (State([[7_u64]; 25]), State([[7_u64]; 25]));
    for _ in 0..10 {
        kernel.permute(&mut state);
        Scalar.permute(&mut expected);
        assert_eq!(state.0, expected.0);
    }
}
