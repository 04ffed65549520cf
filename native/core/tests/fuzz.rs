//! Every entry point over input made to break it: values or a `Fault`, never a panic, never an access out of bounds.
//!
//! `cargo test` runs each for a short while from fixed seeds; `WATTEST_FUZZ_SECONDS` for as long as it says, from the
//! seeds that `WATTEST_FUZZ_SEED` starts. What fails says its seed. With a nightly compiler the same runs under a
//! sanitizer (`RUSTFLAGS=-Zsanitizer=address`).

mod support;

use std::time::{Duration, Instant};
use support::{Columns, Random};
use wattest_core::{batch, growing::Growing, inclusion, multiproof, shares::Leaves, stored::Stored, tree, Hash, Simd};

/// Runs `target` over many seeds.
fn fuzz(at_least: u64, target: impl Fn(&mut Random)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let (seconds, first) = (number("WATTEST_FUZZ_SECONDS").unwrap_or(0), number("WATTEST_FUZZ_SEED").unwrap_or(1));
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut runs = 0;
    while runs < at_least || Instant::now() < until {
        let seed = first + runs;
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&mut Random(seed << 20))));
        assert!(outcome.is_ok(), "seed {seed}");
        runs += 1;
    }
    println!("{runs} runs");
}

/// A number near a limit, or any.
fn awkward(random: &mut Random) -> u64 {
    const LIMITS: [u64; 8] = [0, 1, 2, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 63, u64::MAX];
    match random.below(3) {
        0 => LIMITS[random.below(LIMITS.len())],
        1 => LIMITS[random.below(LIMITS.len())].wrapping_add(random.next() % 5).wrapping_sub(2),
        _ => random.next() % 40,
    }
}

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
        let more = Columns::random(random, 8, 3);
        if found.append(simd, &more.flat(simd), 3, 1).is_ok() {
            let _ = found.commit();
        }
    });
    let _ = std::fs::remove_dir_all(&folder);
}
