//! Who gets how much of one interval's surplus. docs/spec/settlement.md, "Allocation, per interval".

use crate::abi::scratch;

/// What the weights of a static key add up to.
pub const WHOLE: u64 = 1_000_000;

/// How the surplus is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Static,
    Dynamic,
    Priority,
}

/// Room for one interval's work, made once a job; every slice has one place per household.
pub struct Bench {
    pub imports: &'static mut [u64],
    pub exports: &'static mut [u64],
    pub shared: &'static mut [u64],
    pub credited: &'static mut [u64],
    remainders: &'static mut [u64],
    order: &'static mut [u32],
}

impl Bench {
    pub fn new(households: usize) -> Self {
        Bench {
            imports: scratch(households),
            exports: scratch(households),
            shared: scratch(households),
            credited: scratch(households),
            remainders: scratch(households),
            order: scratch(households),
        }
    }

    /// Fills `shared` and `credited` from `imports` and `exports`, whose sums are below 2^64.
    ///
    /// `keys` are the weights of a static key; `ranking` the households in order of a priority key.
    pub fn allocate(&mut self, kind: Kind, keys: &[u64], ranking: &[u32]) {
        let surplus: u64 = self.exports.iter().sum();
        let use_total: u64 = self.imports.iter().sum();
        match kind {
            Kind::Static => {
                split(surplus, keys, WHOLE, self.shared, self.remainders, self.order);
                for (share, &own) in self.shared.iter_mut().zip(self.imports.iter()) {
                    *share = own.min(*share);
                }
            }
            Kind::Dynamic => {
                let amount = surplus.min(use_total);
                split(
                    amount,
                    self.imports,
                    use_total,
                    self.shared,
                    self.remainders,
                    self.order,
                );
            }
            Kind::Priority => {
                let mut left = surplus;
                for &index in ranking {
                    let part = self.imports[index as usize].min(left);
                    self.shared[index as usize] = part;
                    left -= part;
                }
            }
        }
        let allocated: u64 = self.shared.iter().sum();
        split(
            allocated,
            self.exports,
            surplus,
            self.credited,
            self.remainders,
            self.order,
        );
    }
}

/// Splits `amount` by `weights`, which add up to `whole`: largest remainder, lowest index first among equals.
fn split(amount: u64, weights: &[u64], whole: u64, parts: &mut [u64], remainders: &mut [u64], order: &mut [u32]) {
    parts.fill(0);
    if amount == 0 || whole == 0 {
        return;
    }
    let mut left = amount;
    for ((part, remainder), &weight) in parts.iter_mut().zip(remainders.iter_mut()).zip(weights) {
        let (floor, rest) = divide(amount, weight, whole);
        *part = floor;
        *remainder = rest;
        left -= floor;
    }
    if left == 0 {
        return;
    }
    for (index, place) in order.iter_mut().enumerate() {
        *place = index as u32;
    }
    // a total order, since equal remainders differ in their index: an unstable sort has one outcome
    order.sort_unstable_by(|&a, &b| remainders[b as usize].cmp(&remainders[a as usize]).then(a.cmp(&b)));
    for &index in &order[..left as usize] {
        parts[index as usize] += 1;
    }
}

/// floor(amount x weight / whole) and the remainder; the weight is at most the whole, so both fit.
fn divide(amount: u64, weight: u64, whole: u64) -> (u64, u64) {
    if let Some(product) = amount.checked_mul(weight) {
        return (product / whole, product % whole);
    }
    let product = u128::from(amount) * u128::from(weight);
    let whole = u128::from(whole);
    ((product / whole) as u64, (product % whole) as u64)
}

#[cfg(test)]
mod tests {
    use super::{Bench, Kind};

    fn allocate(kind: Kind, keys: &[u64], imports: &[u64], exports: &[u64]) -> (Vec<u64>, Vec<u64>) {
        let mut bench = Bench::new(imports.len());
        bench.imports.copy_from_slice(imports);
        bench.exports.copy_from_slice(exports);
        let mut ranking: Vec<u32> = (0..imports.len() as u32).collect();
        ranking.sort_by_key(|&index| keys[index as usize]);
        bench.allocate(kind, keys, &ranking);
        (bench.shared.to_vec(), bench.credited.to_vec())
    }

    #[test]
    fn an_unused_static_share_stays_surplus() {
        let (shared, credited) = allocate(Kind::Static, &[500_000, 500_000, 0], &[2, 9, 0], &[0, 0, 10]);
        assert_eq!(shared, [2, 5, 0]);
        assert_eq!(credited, [0, 0, 7]);
    }

    #[test]
    fn a_dynamic_key_follows_use_and_breaks_ties_by_index() {
        let (shared, credited) = allocate(Kind::Dynamic, &[0, 0, 0], &[4, 4, 0], &[0, 0, 7]);
        assert_eq!(shared, [4, 3, 0]);
        assert_eq!(credited, [0, 0, 7]);
    }

    #[test]
    fn a_priority_key_serves_ranks_in_order() {
        let (shared, _) = allocate(Kind::Priority, &[0, 1, 0], &[0, 400, 800], &[1000, 0, 0]);
        assert_eq!(shared, [0, 200, 800]);
    }
}
