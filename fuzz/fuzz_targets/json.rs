//! JSON lines, and lines whose format nobody says.
#![no_main]

use hydrant_fuzz::of_format;
use hydrant_transform::entry::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    of_format(Some(Format::Json), &[].into(), message);
    of_format(None, &[].into(), message);
});
