//! Gzip, capped: every member of a record, and never more than the caller allows.
//!
//! One member is inflated in one shot by libdeflate into a buffer of the size that its trailer names; that size is a
//! hint and is checked. Whatever is not that simple (several members, damage, a size that cannot be true) goes to a
//! streaming decoder, which knows where a member ends and stops at the cap. Not a stream: all bytes are in memory.

use std::borrow::Cow;
use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::{CompressionLvl, Decompressor};
use memchr::memmem;

use super::room;

/// Magic number and the only compression method there is.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Header and trailer of a member, without any data.
const MEMBER_BYTES_MIN: usize = 18;

/// Checksum and size.
const TRAILER_BYTES: usize = 8;

/// Deflate cannot expand further than this (RFC 1951: 258 bytes from two bits); a size above it is a lie.
const EXPANSION_MAX: usize = 1032;

/// What the streaming decoder inflates at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// zlib's window, as gzip wants it.
const WINDOW_BITS: u8 = 15;

/// libdeflate's level 1 packs log text at about 300 MB/s to a quarter; level 6 is three times slower for a sixth less.
const LEVEL: i32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GzipError {
    #[error("{problem} in the member at byte {offset}")]
    Damaged {
        /// Where the damaged member, or what stands in the place of one, begins in the input.
        offset: usize,
        problem: &'static str,
    },
    #[error("more than {max} bytes")]
    TooLarge { max: usize },
}

/// Whether bytes begin as gzip does.
pub fn is_gzip(data: &[u8]) -> bool {
    data.starts_with(&MAGIC)
}

/// What data inflates to, as its end says: a hint, since a lie is as easy as several members. At most what deflate can
/// do; the length of data that is not gzip.
pub fn inflated_bytes(data: &[u8]) -> usize {
    let told = data.last_chunk::<4>().filter(|_| is_gzip(data));
    let told = told.and_then(|size| usize::try_from(u32::from_le_bytes(*size)).ok());
    told.unwrap_or(0).min(data.len().saturating_mul(EXPANSION_MAX)).max(data.len())
}

/// Inflates all members of `data`, to at most `max` bytes together. What is not gzip is handed back as it is,
/// whatever its size.
///
/// # Errors
/// Damage, a cut-off member or anything behind the last member that is not another one: [`GzipError::Damaged`].
/// More than `max` bytes: [`GzipError::TooLarge`], after inflating little more than `max` bytes, and holding none.
pub fn gunzip(data: &[u8], max: usize) -> Result<Cow<'_, [u8]>, GzipError> {
    if !is_gzip(data) {
        return Ok(Cow::Borrowed(data));
    }
    let mut out = Vec::new();
    match inflate_single(&mut Decompressor::new(), data, max, &mut out) {
        Some(_) => Ok(Cow::Owned(out)),
        None => inflate_members(data, max).map(Cow::Owned),
    }
}

/// Inflates one record after another into the same memory.
pub struct Inflater {
    inner: Decompressor,
    out: Vec<u8>,
}

impl Inflater {
    pub fn new() -> Inflater {
        Inflater { inner: Decompressor::new(), out: Vec::new() }
    }

    /// What [`gunzip`] gives, for data of one sound member. `None`: it is not that simple.
    pub fn gunzip_single<'a>(&'a mut self, data: &'a [u8], max: usize) -> Option<&'a [u8]> {
        if !is_gzip(data) {
            return Some(data);
        }
        let size = inflate_single(&mut self.inner, data, max, &mut self.out)?;
        self.out.get(..size)
    }
}

impl Default for Inflater {
    fn default() -> Inflater {
        Inflater::new()
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("out_bytes", &self.out.len()).finish_non_exhaustive()
    }
}

/// The usual case: exactly one sound member. Answers its size, or `None` where that is not certain.
fn inflate_single(inner: &mut Decompressor, data: &[u8], max: usize, out: &mut Vec<u8>) -> Option<usize> {
    let trailer = data.last_chunk::<TRAILER_BYTES>()?;
    let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
    let size = usize::try_from(u32::from_le_bytes([s0, s1, s2, s3])).ok()?;
    if data.len() < MEMBER_BYTES_MIN || size > max || size > data.len().saturating_mul(EXPANSION_MAX) {
        return None;
    }
    // libdeflate stops silently at the end of the first member. Where that has the input's last trailer, and it stands
    // nowhere before, nothing is behind the member. (A second magic number says less: packed bytes hold one by chance.)
    if memmem::find(data, trailer)? != data.len() - TRAILER_BYTES {
        return None;
    }
    let out = room(out, size);
    let written = inner.gzip_decompress(data, out).ok()?;
    let ends_here = written == size && libdeflater::crc32(out) == u32::from_le_bytes([c0, c1, c2, c3]);
    ends_here.then_some(size)
}

/// Member by member, with the place of what is wrong. Inflated twice, first to learn the size: a buffer that grows would
/// hold the data twice, and what is too large needs none.
fn inflate_members(data: &[u8], max: usize) -> Result<Vec<u8>, GzipError> {
    let mut size = 0;
    for_each_piece(data, |piece| {
        size += piece.len();
        if size > max { Err(GzipError::TooLarge { max }) } else { Ok(()) }
    })?;
    let mut out = Vec::with_capacity(size);
    for_each_piece(data, |piece| {
        out.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(out)
}

/// All that the members hold, a piece at a time.
fn for_each_piece(data: &[u8], mut take: impl FnMut(&[u8]) -> Result<(), GzipError>) -> Result<(), GzipError> {
    let mut scratch = vec![0; PIECE_BYTES];
    let mut offset = 0;
    while let Some(rest) = data.get(offset..).filter(|rest| !rest.is_empty()) {
        if !is_gzip(rest) {
            return Err(GzipError::Damaged { offset, problem: "bytes that are not gzip" });
        }
        offset += inflate_member(rest, offset, &mut scratch, &mut take)?;
    }
    Ok(())
}

/// Answers how many bytes of `member` it took.
fn inflate_member(
    member: &[u8],
    offset: usize,
    scratch: &mut [u8],
    mut take: impl FnMut(&[u8]) -> Result<(), GzipError>,
) -> Result<usize, GzipError> {
    let damaged = |problem| GzipError::Damaged { offset, problem };
    let mut inflate = Decompress::new_gzip(WINDOW_BITS);
    let count = |total: u64| usize::try_from(total).unwrap_or(usize::MAX);
    loop {
        let (taken, made) = (count(inflate.total_in()), count(inflate.total_out()));
        let status = inflate
            .decompress(member.get(taken..).unwrap_or_default(), scratch, FlushDecompress::None)
            .map_err(|_| damaged("bad data or a wrong checksum"))?;
        let piece = scratch.get(..count(inflate.total_out()) - made).unwrap_or_default();
        take(piece)?;
        match status {
            Status::StreamEnd => return Ok(count(inflate.total_in())),
            Status::Ok | Status::BufError => {
                if piece.is_empty() && taken == count(inflate.total_in()) {
                    return Err(damaged("an unfinished end"));
                }
            }
        }
    }
}

/// Packs bytes into one gzip member, reusing its memory from call to call.
pub struct Compressor {
    inner: libdeflater::Compressor,
    scratch: Vec<u8>,
}

impl Compressor {
    pub fn new() -> Compressor {
        let level = CompressionLvl::new(LEVEL).unwrap_or_default();
        Compressor { inner: libdeflater::Compressor::new(level), scratch: Vec::new() }
    }

    pub fn gzip(&mut self, data: &[u8]) -> Vec<u8> {
        let bound = self.inner.gzip_compress_bound(data.len());
        if self.scratch.len() < bound {
            self.scratch.resize(bound, 0);
        }
        let packed = self
            .inner
            .gzip_compress(data, &mut self.scratch)
            .expect("libdeflate needs no more room than the bound it gives");
        self.scratch.get(..packed).unwrap_or_default().to_vec()
    }
}

impl Default for Compressor {
    fn default() -> Compressor {
        Compressor::new()
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("scratch_bytes", &self.scratch.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `hello` and ` world` as Python's gzip module packs them with mtime 0.
    const HELLO: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\x05\0\0\0";
    const WORLD: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03S(\xcf/\xcaI\x01\0\xcbB;J\x06\0\0\0";

    fn gzip(data: &[u8]) -> Vec<u8> {
        Compressor::new().gzip(data)
    }

    #[test]
    fn what_is_not_gzip_passes_as_it_is() {
        for data in [&b""[..], b"x", b"\x1f\x8b", b"{\"a\":1}"] {
            assert_eq!(gunzip(data, 0), Ok(Cow::Borrowed(data)));
        }
    }

    #[test]
    fn one_member_is_inflated() {
        assert_eq!(gunzip(HELLO, 5).unwrap(), &b"hello"[..]);
    }

    #[test]
    fn members_are_concatenated_even_when_they_are_the_same() {
        assert_eq!(gunzip(&[HELLO, WORLD].concat(), 11).unwrap(), &b"hello world"[..]);
        assert_eq!(gunzip(&[HELLO, HELLO, HELLO].concat(), 100).unwrap(), &b"hellohellohello"[..]);
        let empty = gzip(b"");
        assert_eq!(gunzip(&[&empty, HELLO, &empty].concat(), 5).unwrap(), &b"hello"[..]);
    }

    #[test]
    fn the_cap_holds_to_the_byte_and_over_all_members() {
        assert_eq!(gunzip(HELLO, 4), Err(GzipError::TooLarge { max: 4 }));
        assert_eq!(gunzip(&[HELLO, WORLD].concat(), 10), Err(GzipError::TooLarge { max: 10 }));
        assert_eq!(gunzip(&gzip(b""), 0).unwrap(), &b""[..]);
        assert_eq!(gunzip(HELLO, 0), Err(GzipError::TooLarge { max: 0 }));
    }

    #[test]
    fn bytes_behind_the_last_member_are_an_error_that_tells_where() {
        let error = gunzip(&[HELLO, b"garbage!"].concat(), 100).unwrap_err();
        assert_eq!(error.to_string(), "bytes that are not gzip in the member at byte 25");
        let padded = gunzip(&[HELLO, b"\0"].concat(), 100).unwrap_err();
        assert_eq!(padded, GzipError::Damaged { offset: 25, problem: "bytes that are not gzip" });
    }

    #[test]
    fn damage_names_its_member() {
        let mut bad_crc = HELLO.to_vec();
        bad_crc[18] ^= 1;
        assert_eq!(
            gunzip(&bad_crc, 100),
            Err(GzipError::Damaged { offset: 0, problem: "bad data or a wrong checksum" })
        );
        for cut in 3..HELLO.len() {
            assert_eq!(
                gunzip(&[WORLD, &HELLO[..cut]].concat(), 100),
                Err(GzipError::Damaged { offset: 26, problem: "an unfinished end" }),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_lying_size_is_not_trusted() {
        let mut lying = HELLO.to_vec();
        let size_at = lying.len() - 4;
        lying[size_at..].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(gunzip(&lying, usize::MAX), Err(GzipError::Damaged { offset: 0, .. })));
        lying[size_at..].copy_from_slice(&1_u32.to_le_bytes());
        assert!(matches!(gunzip(&lying, 100), Err(GzipError::Damaged { offset: 0, .. })));
    }

    #[test]
    fn a_bomb_stops_at_the_cap() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 400_000);
        assert_eq!(gunzip(&bomb, 1 << 20), Err(GzipError::TooLarge { max: 1 << 20 }));
        let many = bomb.repeat(3);
        assert_eq!(gunzip(&many, 65 << 20), Err(GzipError::TooLarge { max: 65 << 20 }));
    }

    #[test]
    fn a_magic_number_inside_the_data_is_no_second_member() {
        let stored: Vec<u8> = MAGIC.iter().copied().cycle().take(3000).chain(0..=255).collect();
        assert_eq!(gunzip(&gzip(&stored), 10_000).unwrap(), stored);
    }

    #[test]
    fn one_member_is_told_from_several() {
        let single = |data: &[u8]| inflate_single(&mut Decompressor::new(), data, 100, &mut Vec::new());
        // Packed bytes hold the magic number by chance; here the member's file name does (RFC 1952: flag 3).
        let named = [b"\x1f\x8b\x08\x08\0\0\0\0\x02\x03\x1f\x8b\x08\x08\0", &HELLO[10..]].concat();
        assert_eq!((single(HELLO), single(&named)), (Some(5), Some(5)));
        let trailer = &HELLO[HELLO.len() - TRAILER_BYTES..];
        for several in [[HELLO, HELLO].concat(), [&named, HELLO].concat(), [HELLO, b"garbage", trailer].concat()] {
            assert_eq!(single(&several), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4)) {
            let packed: Vec<u8> = parts.iter().flat_map(|part| gzip(part)).collect();
            prop_assert_eq!(gunzip(&packed, 1200).unwrap().into_owned(), parts.concat());
        }

        #[test]
        fn any_damage_gives_an_answer_within_the_cap(at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let mut packed = gzip(&b"select 1 ".repeat(40));
            let place = at.index(packed.len());
            packed[place] ^= flip;
            if let Ok(inflated) = gunzip(&packed, 500) {
                prop_assert!(inflated.len() <= 500);
            }
        }
    }
}
