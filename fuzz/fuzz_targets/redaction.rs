//! Redaction: no literal is left in what `literals` gives; a password behind `IDENTIFIED BY` never survives what stands
//! around it.
#![no_main]

use hydrant_transform::sql::redact::{literals, secrets};
use hydrant_transform::sql::token::{Dialect, Kind, Tokens};
use libfuzzer_sys::fuzz_target;

const PLANTED: &[u8] = b"zQ7zQ7zQ7";

fuzz_target!(|statement: &[u8]| {
    let hidden = literals(statement);
    for token in Tokens::new(&hidden, Dialect::DEFAULT) {
        assert!(
            !matches!(token.kind, Kind::String | Kind::Number | Kind::Bits),
            "{} of {}",
            String::from_utf8_lossy(&hidden),
            String::from_utf8_lossy(statement)
        );
    }
    let shown = secrets(statement);
    assert!(shown.len() <= statement.len() + statement.len() * 8, "at most one word for each byte");
    // Behind whatever stands before it, where nothing is open. The fuzzer learns the planted word too.
    let before: Vec<u8> = statement.iter().copied().filter(|byte| !b"'\"`\\#-/*".contains(byte)).collect();
    if [statement, &before].iter().any(|text| text.windows(PLANTED.len()).any(|window| window == PLANTED)) {
        return;
    }
    let planted = [&before[..], b"; CREATE USER u IDENTIFIED BY '", PLANTED, b"'", statement].concat();
    let shown = secrets(&planted);
    assert!(!shown.windows(PLANTED.len()).any(|window| window == PLANTED), "{}", String::from_utf8_lossy(&shown));
});
