//! Bytes as lower-case hexadecimal digits.

pub(crate) const DIGITS: [u8; 16] = *b"0123456789abcdef";

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| pair(*byte)).map(char::from).collect()
}

/// The digits of one byte.
pub(crate) fn pair(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 0xf].map(|nibble| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'))
}

/// What a lower-case digit stands for.
pub(crate) fn nibble(digit: u8) -> Option<u8> {
    DIGITS.iter().zip(0_u8..).find_map(|(known, nibble)| (*known == digit).then_some(nibble))
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_byte_has_two_digits() {
        assert_eq!(super::hex(&[0, 0x7f, 0xa0, 0xff]), "007fa0ff");
        assert_eq!(super::hex(&[]), "");
        let nibbles = [b'0', b'9', b'a', b'f', b'g', b'A', b' '].map(super::nibble);
        assert_eq!(nibbles, [Some(0), Some(9), Some(10), Some(15), None, None, None]);
    }
}
