//! Texts of a fixed shape, such as time stamps.

/// Whether a text begins as the shape says: `0` stands for a digit, `_` for a digit or a blank, and all else for itself.
pub(super) fn is_shaped(text: &[u8], shape: &[u8]) -> bool {
    text.len() >= shape.len()
        && text.iter().zip(shape).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'_' => byte.is_ascii_digit() || *byte == b' ',
            _ => byte == shape,
        })
}
