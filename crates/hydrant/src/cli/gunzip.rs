//! Gzip from files: several members are one, and zeros behind the last one are padding, as `gzip` itself has it.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The first byte of a member.
const MAGIC: u8 = 0x1f;

/// Reads what was packed. An error comes behind everything that could be unpacked before it.
pub(super) struct Gunzip<R> {
    /// `None` behind the last member.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gunzip<R> {
    pub(super) fn new(input: R) -> Gunzip<R> {
        Gunzip { member: Some(GzDecoder::new(input)) }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else { return Ok(0) };
            let bytes = member.read(into)?;
            if bytes > 0 || into.is_empty() {
                return Ok(bytes);
            }
            let Some(mut rest) = self.member.take().map(GzDecoder::into_inner) else { return Ok(0) };
            self.member = match first_byte(&mut rest)? {
                None => None,
                Some(MAGIC) => Some(GzDecoder::new(rest)),
                Some(_) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "what stands behind the gzip data is none"));
                }
            };
        }
    }
}

/// The next byte that is not zero.
fn first_byte(input: &mut dyn BufRead) -> io::Result<Option<u8>> {
    loop {
        let bytes = input.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let (found, is_end) = (bytes.get(zeros).copied(), bytes.is_empty());
        input.consume(zeros);
        if found.is_some() || is_end {
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::Gunzip;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn gunzip(data: &[u8]) -> (String, Option<String>) {
        let mut out = Vec::new();
        let error = Gunzip::new(data).read_to_end(&mut out).err().map(|error| error.to_string());
        (String::from_utf8(out).unwrap(), error)
    }

    #[test]
    fn members_padding_and_what_is_neither() {
        let (one, two) = (gzip("one "), gzip("two"));
        assert_eq!(gunzip(&[&one[..], &two].concat()), ("one two".to_owned(), None));
        assert_eq!(gunzip(&[&one[..], &[0; 700], &two, &[0; 9_000]].concat()), ("one two".to_owned(), None));
        let error = Some("what stands behind the gzip data is none".to_owned());
        assert_eq!(gunzip(&[&one[..], b"x"].concat()), ("one ".to_owned(), error));
        let (text, error) = gunzip(&[&one[..], &two[..two.len() - 3]].concat());
        assert!(text == "one two" && error.is_some(), "{text} {error:?}");
    }
}
