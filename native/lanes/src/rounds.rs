//! Keccak-f[1600] as data flow, once for every kind of word (FIPS 202, section 3.2).
//!
//! A kernel brings five operations named `parity`, `mix`, `turn`, `chi` and `iota` into scope; what a word is (one
//! `u64`, or two, four, eight side by side) is its business. `turn` gets its rotation twice, to the left and to the right:
//! const arithmetic on const parameters is not to be had. State word `x + 5 * y` is lane (x, y).

/// The constants of step iota, one a round.
pub const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// One round: theta and rho on the way into pi's places, then chi row by row, then iota.
macro_rules! round {
    ($a:ident, $constant:expr) => {{
        let c0 = parity($a[0], $a[5], $a[10], $a[15], $a[20]);
        let c1 = parity($a[1], $a[6], $a[11], $a[16], $a[21]);
        let c2 = parity($a[2], $a[7], $a[12], $a[17], $a[22]);
        let c3 = parity($a[3], $a[8], $a[13], $a[18], $a[23]);
        let c4 = parity($a[4], $a[9], $a[14], $a[19], $a[24]);
        let (d0, d1, d2, d3, d4) = (mix(c4, c1), mix(c0, c2), mix(c1, c3), mix(c2, c4), mix(c3, c0));

        let row = [
            turn::<0, 0>($a[0], d0),
            turn::<44, 20>($a[6], d1),
            turn::<43, 21>($a[12], d2),
            turn::<21, 43>($a[18], d3),
        ];
        let last = turn::<14, 50>($a[24], d4);
        let row1 = [
            turn::<28, 36>($a[3], d3),
            turn::<20, 44>($a[9], d4),
            turn::<3, 61>($a[10], d0),
            turn::<45, 19>($a[16], d1),
        ];
        let last1 = turn::<61, 3>($a[22], d2);
        let row2 =
            [turn::<1, 63>($a[1], d1), turn::<6, 58>($a[7], d2), turn::<25, 39>($a[13], d3), turn::<8, 56>($a[19], d4)];
        let last2 = turn::<18, 46>($a[20], d0);
        let row3 = [
            turn::<27, 37>($a[4], d4),
            turn::<36, 28>($a[5], d0),
            turn::<10, 54>($a[11], d1),
            turn::<15, 49>($a[17], d2),
        ];
        let last3 = turn::<56, 8>($a[23], d3);
        let row4 = [
            turn::<62, 2>($a[2], d2),
            turn::<55, 9>($a[8], d3),
            turn::<39, 25>($a[14], d4),
            turn::<41, 23>($a[15], d0),
        ];
        let last4 = turn::<2, 62>($a[21], d1);

        $crate::rounds::chi_row!($a, 0, row, last);
        $crate::rounds::chi_row!($a, 5, row1, last1);
        $crate::rounds::chi_row!($a, 10, row2, last2);
        $crate::rounds::chi_row!($a, 15, row3, last3);
        $crate::rounds::chi_row!($a, 20, row4, last4);
        $a[0] = iota($a[0], $constant);
    }};
}

/// Step chi on the five words of one row.
macro_rules! chi_row {
    ($a:ident, $at:literal, $row:ident, $last:ident) => {
        $a[$at] = chi($row[0], $row[1], $row[2]);
        $a[$at + 1] = chi($row[1], $row[2], $row[3]);
        $a[$at + 2] = chi($row[2], $row[3], $last);
        $a[$at + 3] = chi($row[3], $last, $row[0]);
        $a[$at + 4] = chi($last, $row[0], $row[1]);
    };
}

/// All rounds. The last one stands alone, so that a caller who needs four words of the result pays for no others.
macro_rules! permute {
    ($a:ident) => {{
        for constant in &$crate::rounds::ROUND_CONSTANTS[..23] {
            $crate::rounds::round!($a, *constant);
        }
        $crate::rounds::round!($a, $crate::rounds::ROUND_CONSTANTS[23]);
    }};
}

pub(crate) use {chi_row, permute, round};
