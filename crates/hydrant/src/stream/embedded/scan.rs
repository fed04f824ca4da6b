//! Walks over the frames of a segment. Reads chunks of [`CHUNK_BYTES`], or a whole frame where one is longer.

use std::io;

use bytes::Bytes;

use super::frame::{self, Checked, HEAD_BYTES, Head};
use super::storage::File;

const CHUNK_BYTES: usize = 256 * 1024;

pub(super) struct Scan<'a> {
    file: &'a dyn File,
    salt: u32,
    /// Where the next frame begins.
    offset: u64,
    end: u64,
    chunk: Bytes,
    chunk_offset: u64,
}

#[derive(Debug)]
pub(super) enum Step {
    Frame(Found),
    /// The bytes at the offset of the scan are no whole frame. The scan stays there.
    Bad(&'static str),
    End,
}

#[derive(Debug)]
pub(super) struct Found {
    pub(super) offset: u64,
    pub(super) head: Head,
    pub(super) bytes: Bytes,
}

impl<'a> Scan<'a> {
    pub(super) fn new(file: &'a dyn File, salt: u32, offset: u64, end: u64) -> Scan<'a> {
        Scan { file, salt, offset, end, chunk: Bytes::new(), chunk_offset: 0 }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn go_to(&mut self, offset: u64) {
        self.offset = offset;
    }

    pub(super) fn step(&mut self) -> io::Result<Step> {
        if self.offset >= self.end {
            return Ok(Step::End);
        }
        let mut needed = HEAD_BYTES;
        loop {
            let bytes = self.window(needed)?;
            if bytes.len() < needed {
                return Ok(Step::Bad("it is cut short"));
            }
            match frame::check(&bytes, self.salt, self.offset) {
                // Grows: a whole head asks for a whole frame, which then is whole or bad.
                Checked::Needs(more) => needed = more.max(needed + 1),
                Checked::Bad(why) => return Ok(Step::Bad(why)),
                Checked::Whole(head) => {
                    let found = Found { offset: self.offset, head, bytes: bytes.slice(..head.length) };
                    self.offset += head.length as u64;
                    return Ok(Step::Frame(found));
                }
            }
        }
    }

    /// Moves to the next place where a whole frame begins, and takes it.
    pub(super) fn step_to_next_whole(&mut self) -> io::Result<Option<Found>> {
        let finder = memchr::memmem::Finder::new(&frame::MAGIC);
        while self.offset < self.end {
            let window = self.window(HEAD_BYTES)?;
            let Some(at) = finder.find(&window) else {
                // A mark may straddle the border of two windows.
                let whole = window.len().saturating_sub(frame::MAGIC.len() - 1).max(1);
                self.offset += whole as u64;
                continue;
            };
            self.offset += at as u64;
            match self.step()? {
                Step::Frame(found) => return Ok(Some(found)),
                Step::Bad(_) => self.offset += 1,
                Step::End => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The bytes from the offset on: at least `needed`, or what there is up to the end.
    fn window(&mut self, needed: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let held = self.offset.checked_sub(self.chunk_offset).and_then(|skip| usize::try_from(skip).ok());
        if let Some(skip) = held
            && skip <= self.chunk.len()
            && self.chunk.len() - skip >= needed.min(left)
        {
            return Ok(self.chunk.slice(skip..));
        }
        let mut bytes = vec![0; needed.max(CHUNK_BYTES).min(left)];
        self.file.read_at(self.offset, &mut bytes)?;
        self.chunk = Bytes::from(bytes);
        self.chunk_offset = self.offset;
        Ok(self.chunk.clone())
    }
}
