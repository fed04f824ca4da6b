//! Texts of a fixed shape, such as time stamps.

/// Whether a text begins as the shape says: `0` stands for a digit, `_` for a digit or a blank, and all else for itself.
pub(super) fn is_shaped(text: &[u8], shape: &[u8]) -> bool {
    let fits = |byte: u8, shape: u8| {
        let is_digit = byte.is_ascii_digit() & matches!(shape, b'0' | b'_');
        is_digit | ((byte == b' ') & (shape == b'_')) | ((byte == shape) & (shape != b'_'))
    };
    let begins = text.first().zip(shape.first()).is_none_or(|(byte, shape)| fits(*byte, *shape));
    // Without a branch for each byte, which compiles to vector instructions.
    begins
        && text.len() >= shape.len()
        && text.iter().zip(shape).fold(true, |all, (byte, shape)| all & fits(*byte, *shape))
}

#[cfg(test)]
mod tests {
    use super::is_shaped;

    #[test]
    fn each_place_has_its_shape() {
        for (text, expected) in [
            ("12:34", true),
            ("12:34 more", true),
            ("12: 4", true),
            ("12:_4", false),
            ("12:3 ", false),
            ("1 :34", false),
            ("x2:34", false),
            ("12_34", false),
            ("12:3", false),
            ("", false),
        ] {
            assert_eq!(is_shaped(text.as_bytes(), b"00:_0"), expected, "{text}");
        }
        assert!(is_shaped(b"", b""));
    }
}
