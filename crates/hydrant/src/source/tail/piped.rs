//! Log lines that somebody else reads: from a pipe, an archive, a file that does not grow. They are cut like a followed
//! file's, and their events have the ids of generation 0 of the path that they are said to be of.

use std::path::Path;

use hydrant_transform::entry::split::State;

use super::FileSettings;
use super::cutting::{Cutting, Until};
use super::event::{Events, path_hash};
use super::follower::{absolute, log_stream_of};
use super::window::Window;
use crate::source::subscription::{LogStream, Packer};

/// The path of what has none.
pub const PIPE: &str = "-";

/// Of the only generation that there is.
const GENERATION: u64 = 0;

/// Envelopes of a log as it is read.
pub struct Piped {
    cutting: Cutting,
    events: Events,
    packer: Packer,
    now_ms: i64,
}

impl Piped {
    /// `file.path` and `host` enter the ids of events, as those of a run; the file is not opened. `unstamped_ms`: the time of events that
    /// come before any stamp. `now_ms`: stamps of days ahead are suspect.
    pub fn new(file: &FileSettings, host: &str, owner: &str, unstamped_ms: i64, now_ms: i64) -> Piped {
        let log_stream =
            LogStream { owner: owner.to_owned(), log_group: file.log_group.clone(), log_stream: log_stream_of(file) };
        let path = if file.path == Path::new(PIPE) { file.path.clone() } else { absolute(&file.path) };
        let events = Events {
            path_hash: path_hash(host, &path),
            time_zone: file.time_zone.clone(),
            format: file.format,
            last_stamp: None,
            unstamped_ms: Some(unstamped_ms),
        };
        let cutting = Cutting::new(Window::default(), file.format, State::default());
        Piped { cutting, events, packer: Packer::new(&log_stream).gzip(false), now_ms }
    }

    /// Takes the next bytes, and hands out the envelopes of all entries whose end is known.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn push<E>(&mut self, bytes: &[u8], each: impl FnMut(Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        self.cutting.window.push(bytes);
        self.hand_out(Until::Certain, each)?;
        self.cutting.give_up_long();
        self.cutting.window.settle();
        Ok(())
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn end<E>(&mut self, each: impl FnMut(Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        self.hand_out(Until::End, each)
    }

    fn hand_out<E>(&mut self, until: Until, mut each: impl FnMut(Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        while let Some(taken) = self.cutting.next(until) {
            self.packer.push(&self.events.event(taken, GENERATION, self.now_ms));
            if self.packer.is_full() {
                each(self.packer.seal().data)?;
            }
        }
        if self.packer.events() > 0 { each(self.packer.seal().data) } else { Ok(()) }
    }
}
