//! What callers can get wrong beside a proof: sizes, widths, buffers. Every case is a `Fault`, never a panic.

use wattest_core::{inclusion, keccak::Keccak, multiproof, salts, tree, Fault, Simd, SIZE_MAX};

const ZERO: [u8; 32] = [0; 32];

#[test]
fn sizes_at_the_limits() {
    assert_eq!(tree::node_count(0), Err(Fault::EmptyTree));
    assert_eq!(tree::node_count(1), Ok(1));
    assert_eq!(tree::node_count(5), Ok(5 + 3 + 2 + 1));
    assert_eq!(tree::node_count(SIZE_MAX), Ok((1..=32).map(|level| 1u64 << level).sum::<u64>()));
    assert_eq!(tree::node_count(SIZE_MAX + 1).map_err(|fault| fault.name()), Err("TreeTooLarge"));
    assert_eq!(tree::node_count(u64::MAX).map_err(|fault| fault.name()), Err("TreeTooLarge"));
}

#[test]
fn numbers_beyond_the_formats() {
    for (index, size) in [(u64::MAX, u64::MAX), (0, SIZE_MAX + 1), (u64::MAX, 1), (u64::MAX, 0)] {
        let inclusion =
            inclusion::verify(&Keccak::ONE_BY_ONE, &ZERO, &ZERO, index, size, &[]).map_err(|fault| fault.name());
        let multiproof =
            multiproof::verify(&Keccak::ONE_BY_ONE, &ZERO, size, &[index], &[ZERO], &[]).map_err(|fault| fault.name());
        let expected = match size {
            0 => "EmptyTree",
            1 => "IndexOutOfRange",
            _ => "TreeTooLarge",
        };
        assert_eq!(inclusion, Err(expected));
        assert_eq!(multiproof, Err(expected));
    }
}

#[test]
fn buffers_that_do_not_agree() {
    let salts = [[0; 16]; 3];
    let mut nodes = [ZERO; 6];
    let built = |payloads: &[u8], width, nodes: &mut [[u8; 32]]| {
        let simd = Simd::best();
        let leaves = tree::Flat::new(simd, payloads, width, &salts).map_err(|fault| fault.name())?;
        tree::build(simd, &leaves, 3, nodes, 2).map_err(|fault| fault.name())
    };
    assert_eq!(built(&[0; 24], 8, &mut nodes), Ok(()));
    assert_eq!(built(&[0; 23], 8, &mut nodes), Err("LengthWrong"));
    assert_eq!(built(&[0; 25], 8, &mut nodes), Err("LengthWrong"));
    assert_eq!(built(&[0; 24], 12, &mut nodes), Err("LengthWrong"));
    assert_eq!(built(&[], 0, &mut nodes), Err("LengthWrong"));
    assert_eq!(built(&[0; 3 * 119], 119, &mut nodes), Err("PayloadTooLong"));
    assert_eq!(built(&[0; 24], 8, &mut [ZERO; 5]), Err("LengthWrong"));
    assert_eq!(built(&[0; 24], 8, &mut [ZERO; 7]), Err("LengthWrong"));
    assert_eq!(built(&[0; 24], usize::MAX, &mut nodes), Err("PayloadTooLong"));
    assert_eq!(tree::build_sha256(&[0; 10], 3, &mut nodes).map_err(|fault| fault.name()), Err("LengthWrong"));
    assert_eq!(tree::build_sha256(&[], 3, &mut []).map_err(|fault| fault.name()), Err("EmptyTree"));
    assert_eq!(tree::build_sha256(&[0; 10], 0, &mut nodes).map_err(|fault| fault.name()), Err("LengthWrong"));
}

#[test]
fn flat_arrays_that_do_not_fit_their_size() {
    let nodes = [ZERO; 6];
    assert!(inclusion::path(&nodes, 3, 0).is_ok());
    for size in [1, 2, 4, 5, SIZE_MAX] {
        assert_eq!(inclusion::path(&nodes, size, 0).map_err(|fault| fault.name()), Err("LengthWrong"));
        assert_eq!(multiproof::nodes(&nodes, size, &[0]).map_err(|fault| fault.name()), Err("LengthWrong"));
    }
    assert_eq!(multiproof::nodes(&nodes, 3, &[]).map_err(|fault| fault.name()), Err("NoIndices"));
    assert_eq!(multiproof::nodes(&nodes, 3, &[1, 1]).map_err(|fault| fault.name()), Err("IndicesNotAscending"));
    assert_eq!(multiproof::nodes(&nodes, 3, &[1, 3]).map_err(|fault| fault.name()), Err("IndexOutOfRange"));
}

#[test]
fn series_keys_of_another_length() {
    for length in [0, 16, 31, 33, 64] {
        let mut out = [[0; 16]; 1];
        assert!(matches!(
            salts::derive(&vec![0; length], 1, &mut out),
            Err(Fault::LengthWrong { what: "series_key", expected: 32, .. })
        ));
    }
    assert_eq!(salts::check_count(salts::COUNT_MAX), Ok(()));
    assert_eq!(salts::check_count(salts::COUNT_MAX + 1).map_err(|fault| fault.name()), Err("TreeTooLarge"));
}
