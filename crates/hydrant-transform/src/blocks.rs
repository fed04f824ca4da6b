//! Looking at bytes sixteen at a time.

use wide::u8x16;

const BLOCK_BYTES: usize = 16;

/// A bit for each of up to 64 bytes, set where `found` has answered with all bits of a byte.
pub(crate) fn mask(bytes: &[u8; 64], found: impl Fn(u8x16) -> u8x16) -> u64 {
    let (blocks, _) = bytes.as_chunks::<BLOCK_BYTES>();
    let shifted = blocks.iter().zip((0..).step_by(BLOCK_BYTES));
    shifted.fold(0, |mask, (block, shift)| mask | u64::from(found(u8x16::new(*block)).to_bitmask()) << shift)
}

/// Where the first byte stands for which `found` answers with all bits of a byte.
pub(crate) fn position(bytes: &[u8], found: impl Fn(u8x16) -> u8x16) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
    let first = |block: [u8; BLOCK_BYTES]| {
        let mask = found(u8x16::new(block)).to_bitmask();
        (mask != 0).then(|| mask.trailing_zeros() as usize)
    };
    for (idx, block) in blocks.iter().enumerate() {
        if let Some(place) = first(*block) {
            return Some(idx * BLOCK_BYTES + place);
        }
    }
    let mut last = [0; BLOCK_BYTES];
    last.get_mut(..rest.len())?.copy_from_slice(rest);
    let place = first(last).filter(|place| *place < rest.len())?;
    Some(bytes.len() - rest.len() + place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wide::u8x16;

    proptest! {
        #[test]
        fn the_first_is_found_wherever_it_stands(bytes in prop::collection::vec(0..6_u8, 0..70), wanted in 0..6_u8) {
            let found = |block: u8x16| block.simd_eq(u8x16::splat(wanted));
            prop_assert_eq!(super::position(&bytes, found), bytes.iter().position(|byte| *byte == wanted));
            if let Some(bytes) = bytes.first_chunk::<64>() {
                let mask = super::mask(bytes, found);
                prop_assert!(bytes.iter().enumerate().all(|(idx, byte)| (mask >> idx & 1 == 1) == (*byte == wanted)));
            }
        }
    }
}
