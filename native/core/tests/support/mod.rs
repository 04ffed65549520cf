//! What several test files share: numbers that look random and are the same on every run, and small trees.
#![allow(dead_code)]

use std::time::{Duration, Instant};
use wattest_core::{keccak::Keccak, tree, Hash, Salt, Simd};

/// The rule that hashes node by node.
pub const RULE: Keccak = Keccak::ONE_BY_ONE;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("small")
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = self.next().to_le_bytes().to_vec();
        while bytes.len() < count {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    pub fn hash(&mut self) -> Hash {
        self.bytes(32).try_into().expect("32 bytes")
    }
}

/// Payloads of one width and their salts.
pub struct Columns {
    pub payloads: Vec<u8>,
    pub width: usize,
    pub salts: Vec<Salt>,
}

impl Columns {
    pub fn random(random: &mut Random, width: usize, count: usize) -> Self {
        let salts = random.bytes(16 * count).as_chunks::<16>().0.to_vec();
        Self { payloads: random.bytes(width * count), width, salts }
    }

    pub fn flat(&self, simd: Simd) -> tree::Flat<'_> {
        tree::Flat::new(simd, &self.payloads, self.width, &self.salts).expect("lengths that agree")
    }

    pub fn size(&self) -> u64 {
        self.salts.len() as u64
    }

    /// The flat array of their tree, by the plainest means.
    pub fn nodes(&self) -> Vec<Hash> {
        let mut nodes = vec![[0; 32]; usize::try_from(tree::node_count(self.size()).expect("a size")).expect("small")];
        let leaves = self.payloads.chunks(self.width).zip(self.salts.iter().copied());
        tree::build_unequal(Simd::named("scalar").expect("always there"), leaves, &mut nodes).expect("payloads");
        nodes
    }
}

/// Runs `target` over many seeds.
pub fn fuzz(at_least: u64, target: impl Fn(&mut Random)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let (seconds, first) = (number("WATTEST_FUZZ_SECONDS").unwrap_or(0), number("WATTEST_FUZZ_SEED").unwrap_or(1));
    let at_least = number("WATTEST_FUZZ_RUNS").map_or(at_least, |most| at_least.min(most));
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
pub fn awkward(random: &mut Random) -> u64 {
    const LIMITS: [u64; 8] = [0, 1, 2, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 63, u64::MAX];
    match random.below(3) {
        0 => LIMITS[random.below(LIMITS.len())],
        1 => LIMITS[random.below(LIMITS.len())].wrapping_add(random.next() % 5).wrapping_sub(2),
        _ => random.next() % 40,
    }
}
