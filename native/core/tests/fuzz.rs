//! Every entry point over input made to break it: values or a `Fault`, never a panic, never an access out of bounds.
//!
//! `cargo test` runs each for a short while from fixed seeds; `WATTEST_FUZZ_SECONDS` for as long as it says, from the
//! seeds that `WATTEST_FUZZ_SEED` starts; `WATTEST_FUZZ_RUNS` allows fewer. What fails says its seed. `make sanitize` runs the same under a sanitizer and
//! in valgrind.

mod support;

use support::{awkward, fuzz, Columns, Random};
use wattest_core::groups::{self, Groups};
use wattest_core::{
    batch, growing::Growing, inclusion, keccak, multiproof, salts, sha256, shares::Leaves, stored::Stored, tree, Hash,
    Simd,
};

fn hashes(random: &mut Random, most: usize) -> Vec<Hash> {
    (0..random.below(most + 1)).map(|_| random.hash()).collect()
}

fn simd(random: &mut Random) -> Simd {
    let kernels = Simd::available();
    kernels[random.below(kernels.len())]
}

/// A small tree's flat array, its size, and indices of which some lie outside.
fn small(random: &mut Random) -> (Vec<Hash>, u64, Vec<u64>) {
    let count = 1 + random.below(40);
    let columns = Columns::random(random, 8, count);
    let mut indices = (0..1 + random.below(6)).map(|_| random.next() % (count as u64)).collect::<Vec<_>>();
    if random.below(4) == 0 {
        indices.push(awkward(random));
    }
    if random.below(2) == 0 {
        indices.sort_unstable();
        indices.dedup();
    }
    (columns.nodes(), count as u64, indices)
}

/// Ascending indices inside.
fn small_group(random: &mut Random, size: u64) -> Vec<u64> {
    let mut indices = (0..1 + random.below(6)).map(|_| random.next() % size).collect::<Vec<_>>();
    indices.sort_unstable();
    indices.dedup();
    indices
}

#[test]
fn buffers_widths_and_counts() {
    fuzz(400, |random| {
        let simd = simd(random);
        let (length, width) = (random.below(3000), random.below(125));
        let payloads = random.bytes(length);
        let count = if random.below(2) == 0 { length / width.max(1) } else { random.below(50) };
        let salts = random.bytes(16 * count);
        let Ok(leaves) = tree::Flat::new(simd, &payloads, width, salts.as_chunks().0) else { return };
        let size = if random.below(8) == 0 { awkward(random) } else { count as u64 };
        let right = tree::node_count(size).ok().filter(|count| *count < 10_000);
        let right = right.and_then(|count| usize::try_from(count).ok());
        let mut nodes = vec![[0; 32]; right.unwrap_or(random.below(100))];
        let threads = random.below(4);
        let built = tree::build(simd, &leaves, size, &mut nodes, threads);
        assert!(built.is_err() || size == count as u64 || size < count as u64);
        // More leaves than there are is refused by whoever is asked for them.
        let mut out = vec![[0; 32]; random.below(60)];
        let _ = leaves.hash(random.below(60), &mut out);
        let mut growing = Growing::default();
        let _ = growing.append(simd, &leaves, awkward(random).min(100_000), threads);
        let _ = tree::build_sha256(&payloads, width, &mut nodes);
    });
}

#[test]
fn proofs_of_any_shape() {
    fuzz(3000, |random| {
        let (simd, rule) = (simd(random), support::RULE);
        let (root, leaf, index, size) = (random.hash(), random.hash(), awkward(random), awkward(random));
        let (leaves, nodes) = (hashes(random, 5), hashes(random, 40));
        let indices = (0..random.below(6)).map(|_| awkward(random)).collect::<Vec<_>>();
        assert!(inclusion::verify(&rule, &root, &leaf, index, size, &nodes).is_err());
        assert!(multiproof::verify(&rule, &root, size, &indices, &leaves, &nodes).is_err());
        assert!(batch::verify(simd, &root, size, &indices, &leaves, &nodes, 1 + random.below(3)).is_err());
        let _ = (inclusion::path(&nodes, size, index), multiproof::nodes(&nodes, size, &indices));
        let mut out = hashes(random, 70);
        let _ = batch::paths(&nodes, size, &indices, &mut out);
        let _ = inclusion::path_into(&nodes, size, index, &mut out);
        let ends = (0..random.below(4)).map(|_| awkward(random)).collect::<Vec<_>>();
        let Ok(groups) = Groups::new(&indices, &ends) else { return };
        assert!(groups::verify(simd, &root, size, groups, &leaves, &nodes, 1 + random.below(3)).is_err());
        let _ = groups::nodes(groups, size, |_, _| Ok([0; 32]), &mut out);
    });
}

#[test]
fn hashes_and_salts_of_any_length() {
    fuzz(400, |random| {
        let (length, key) = (random.below(1100), random.below(70));
        let (bytes, key) = (random.bytes(length), random.bytes(key));
        let salt = random.bytes(16).try_into().expect("16 bytes");
        assert_eq!(keccak::leaf(&salt, &bytes).is_ok(), length <= wattest_core::PAYLOAD_MAX);
        assert_eq!(sha256::leaf(&bytes).is_ok(), length <= wattest_core::ITEM_MAX);
        let _ = keccak::keccak256(&bytes);
        let mut out = vec![[0; 16]; random.below(40)];
        assert_eq!(salts::derive(&key, 1, &mut out).is_ok(), key.len() == 32);
        let count = awkward(random);
        assert_eq!(salts::check_count(count).is_ok(), count <= salts::COUNT_MAX);
    });
}

#[test]
fn genuine_multiproofs_with_one_thing_changed() {
    fuzz(600, |random| {
        let (tree, size, _) = small(random);
        let simd = simd(random);
        let mut groups = (0..1 + random.below(5)).map(|_| small_group(random, size)).collect::<Vec<_>>();
        let mut root = tree[tree.len() - 1];
        let nodes = groups.iter().flat_map(|group| multiproof::nodes(&tree, size, group).expect("inside"));
        let mut nodes = nodes.collect::<Vec<_>>();
        let mut leaves =
            groups.concat().iter().map(|&at| tree[usize::try_from(at).expect("small")]).collect::<Vec<_>>();
        let judge = |groups: &[Vec<u64>], root: &Hash, leaves: &[Hash], nodes: &[Hash]| {
            let lengths = groups.iter().map(|group| group.len() as u64);
            let ends = lengths.scan(0, |end, length| {
                *end += length;
                Some(*end)
            });
            let (indices, ends) = (groups.concat(), ends.collect::<Vec<_>>());
            groups::verify(simd, root, size, Groups::new(&indices, &ends).expect("ends"), leaves, nodes, 2)
        };
        assert_eq!(judge(&groups, &root, &leaves, &nodes), Ok(()));
        let bit = 1 << random.below(8);
        match random.below(6) {
            0 => root[random.below(32)] ^= bit,
            1 => {
                let at = random.below(leaves.len());
                leaves[at][random.below(32)] ^= bit;
            }
            2 if !nodes.is_empty() => {
                let at = random.below(nodes.len());
                nodes[at][random.below(32)] ^= bit;
            }
            3 if !nodes.is_empty() => drop(nodes.remove(random.below(nodes.len()))),
            4 => nodes.insert(random.below(nodes.len() + 1), random.hash()),
            _ => {
                let at = random.below(groups.len());
                let within = random.below(groups[at].len());
                groups[at][within] = groups[at][within].wrapping_add(1 + random.next() % (size + 1));
            }
        }
        assert!(judge(&groups, &root, &leaves, &nodes).is_err());
    });
}

#[test]
fn genuine_proofs_with_one_thing_changed() {
    fuzz(600, |random| {
        let (tree, size, mut indices) = small(random);
        let simd = simd(random);
        let mut root = tree[tree.len() - 1];
        let Ok(count) = batch::node_count(&indices, size) else { return };
        let mut nodes = vec![[0; 32]; usize::try_from(count).expect("small")];
        batch::paths(&tree, size, &indices, &mut nodes).expect("a tree");
        let mut leaves = indices.iter().map(|&at| tree[usize::try_from(at).expect("small")]).collect::<Vec<_>>();
        assert_eq!(batch::verify(simd, &root, size, &indices, &leaves, &nodes, 1), Ok(()));
        let bit = 1 << random.below(8);
        match random.below(6) {
            0 => root[random.below(32)] ^= bit,
            1 => {
                let at = random.below(leaves.len());
                leaves[at][random.below(32)] ^= bit;
            }
            2 if !nodes.is_empty() => {
                let at = random.below(nodes.len());
                nodes[at][random.below(32)] ^= bit;
            }
            3 if !nodes.is_empty() => drop(nodes.remove(random.below(nodes.len()))),
            4 => nodes.insert(random.below(nodes.len() + 1), random.hash()),
            _ => {
                let at = random.below(indices.len());
                indices[at] = indices[at].wrapping_add(1 + random.next() % (size + 1));
            }
        }
        assert!(batch::verify(simd, &root, size, &indices, &leaves, &nodes, 2).is_err());
    });
}

#[test]
fn stored_trees_of_any_bytes() {
    let folder = std::env::temp_dir().join(format!("wattest-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("tree");
    fuzz(200, |random| {
        let _ = std::fs::remove_file(&path);
        let simd = simd(random);
        let count = random.below(70);
        let columns = Columns::random(random, 8, count);
        let mut made = Stored::create(&path).expect("a new file");
        made.append(simd, &columns.flat(simd), count as u64, 2).expect("room");
        made.commit().expect("a disk");
        drop(made);
        let mut bytes = std::fs::read(&path).expect("the file");
        for _ in 0..random.below(4) {
            let at = match random.below(3) {
                0 => random.below(110),
                1 => 4096 + random.below(110),
                _ => random.below(bytes.len()),
            };
            match random.below(3) {
                0 => bytes.truncate(at),
                1 => bytes.extend(random.bytes(9)),
                _ => bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte = byte.wrapping_add(1)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        std::fs::write(&path, &bytes).expect("a disk");
        let Ok(mut found) = Stored::open(&path, true) else { return };
        let indices = (0..found.size()).collect::<Vec<_>>();
        if let Ok((leaves, _)) = found.prove(simd, &indices) {
            assert!(count == 0 || leaves == columns.nodes()[..count]);
        }
        let _ = found.prove(simd, &[awkward(random)]);
        let (indices, ends) = ([random.next() % 80, random.next() % 80, awkward(random)], [random.next() % 4, 3]);
        if let Ok((leaves, _)) = Groups::new(&indices, &ends).and_then(|groups| found.prove_groups(simd, groups)) {
            assert_eq!(leaves[0], columns.nodes()[usize::try_from(indices[0]).expect("inside")]);
        }
        let more = Columns::random(random, 8, 3);
        if found.append(simd, &more.flat(simd), 3, 1).is_ok() {
            let _ = found.commit();
        }
    });
    let _ = std::fs::remove_dir_all(&folder);
}
