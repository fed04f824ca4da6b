//! Little-endian fields, taken off the front of a slice. `None` where the slice is too short; nothing else.

pub(super) fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(head)
}

fn array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    take(bytes, N)?.try_into().ok()
}

pub(super) fn u8(bytes: &mut &[u8]) -> Option<u8> {
    array(bytes).map(u8::from_le_bytes)
}

pub(super) fn u16(bytes: &mut &[u8]) -> Option<u16> {
    array(bytes).map(u16::from_le_bytes)
}

pub(super) fn u32(bytes: &mut &[u8]) -> Option<u32> {
    array(bytes).map(u32::from_le_bytes)
}

pub(super) fn u64(bytes: &mut &[u8]) -> Option<u64> {
    array(bytes).map(u64::from_le_bytes)
}

pub(super) fn i64(bytes: &mut &[u8]) -> Option<i64> {
    array(bytes).map(i64::from_le_bytes)
}

pub(super) fn text(bytes: &mut &[u8], len: usize) -> Option<String> {
    String::from_utf8(take(bytes, len)?.to_vec()).ok()
}
