//! Rows of fixed width, big-endian, as numpy reads them: what the calls of this crate hand to each other through Python.

/// Whether a row holds; what is wrong with one that does not is found by the plain rule.
pub const HOLDS: u8 = 0;

/// A fixed run of bytes that is read and written field by field.
macro_rules! row {
    ($(#[$about:meta])* $name:ident, $length:expr, $($(#[$field_about:meta])* $field:ident: $at:expr, $size:expr;)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// Bytes of a row.
            pub const BYTES: usize = $length;

            $(
                $(#[$field_about])*
                #[must_use]
                pub fn $field(&self) -> [u8; $size] {
                    let mut bytes = [0; $size];
                    bytes.copy_from_slice(&self.0[$at..$at + $size]);
                    bytes
                }
            )*

            /// Writes a field at its place.
            #[allow(dead_code)] // some rows are only read here
            pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
                self.0[at..at + bytes.len()].copy_from_slice(bytes);
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self([0; $length])
            }
        }
    };
}

row! {
    /// A device block that was opened: its verdict, and all of it but the records.
    Opened, 214,
    /// `HOLDS`, or 1.
    verdict: 0, 1;
    /// X||Y.
    public_key: 1, 64;
    /// SHA-256 of the public key.
    meter: 65, 32;
    /// Unix seconds.
    period_start: 97, 8;
    /// Unix seconds, exclusive.
    period_end: 105, 8;
    /// Records in the block.
    count: 113, 4;
    /// What the meter signed.
    digest: 117, 32;
    /// r||s.
    signature: 149, 64;
    /// 1 or 2, or 0 where the block could not be read.
    version: 213, 1;
}

row! {
    /// Where a meter stood before: nothing, or the end and registers of its last measured interval.
    Previous, 25,
    /// 1 where the meter is known, else the rest is zero.
    known: 0, 1;
    /// Unix seconds.
    end: 1, 8;
    /// Milliwatt-hours.
    import_register: 9, 8;
    /// Milliwatt-hours.
    export_register: 17, 8;
}

row! {
    /// A sealed series: its verdict, entry, the digests of its block, where the meter stands, its ciphertext's length.
    Sealed, 211,
    /// `HOLDS`, or a verdict of `seal`.
    verdict: 0, 1;
    /// The entry of the batch tree.
    entry: 1, 118;
    /// SHA-256 of the block before encryption.
    plaintext_digest: 119, 32;
    /// SHA-256 of the block as it is kept.
    ciphertext_digest: 151, 32;
    /// Unix seconds: the end of the last measured interval.
    end: 183, 8;
    /// Milliwatt-hours.
    import_register: 191, 8;
    /// Milliwatt-hours.
    export_register: 199, 8;
    /// Bytes of the ciphertext.
    length: 207, 4;
}

row! {
    /// A series block that was checked again: its verdict, whose it is, where its meter stood and stands.
    Checked, 90,
    /// `HOLDS`, or 1.
    verdict: 0, 1;
    /// SHA-256 of the meter's public key.
    meter: 1, 32;
    /// A row of `Previous`, as the block repeats it.
    previous: 33, 25;
    /// Unix seconds: the end of the last measured interval.
    end: 58, 8;
    /// Milliwatt-hours.
    import_register: 66, 8;
    /// Milliwatt-hours.
    export_register: 74, 8;
    /// Records of the series.
    count: 82, 4;
    /// Of them measured.
    measured: 86, 4;
}
