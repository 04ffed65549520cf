//! The checksum of P1 telegrams: CRC-16/ARC (polynomial 0x8005 reflected, start and final value zero).

const TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u16;
    while byte < 256 {
        let (mut crc, mut bit) = (byte, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xa001 } else { 0 };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
}

/// CRC-16/ARC of `data`.
#[must_use]
pub fn crc16(data: &[u8]) -> u16 {
    data.iter().fold(0, |crc, byte| (crc >> 8) ^ TABLE[usize::from((crc & 0xff) ^ u16::from(*byte))])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_value_of_the_catalogue() {
        assert_eq!(super::crc16(b"123456789"), 0xbb3d);
        assert_eq!(super::crc16(b""), 0);
    }
}
