//! SQL: any bytes are tokens, wherever they are cut, and have a digest and a summary.
#![no_main]

use hydrant_transform::sql::digest::{TOKEN_BYTES_MAX, digest};
use hydrant_transform::sql::lexer::Lexer;
use hydrant_transform::sql::summary::{TABLES_MAX, TEXT_BYTES_MAX, summary};
use hydrant_transform::sql::token::{Dialect, Tokens};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, statement) = input;
    for dialect in [Dialect::DEFAULT, Dialect::NO_BACKSLASH_ESCAPES] {
        let mut at = 0;
        for token in Tokens::new(statement, dialect) {
            assert!(token.range.start >= at && token.range.end > token.range.start, "tokens have bytes, and an order");
            let is_blank = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
            assert!(statement[at..token.range.start].iter().all(is_blank), "only blanks are in no token");
            at = token.range.end;
        }
        assert!(at <= statement.len());
    }

    let mut whole = Lexer::default();
    whole.feed(statement);
    let mut pieces = Lexer::default();
    statement.chunks(usize::from(piece) + 1).for_each(|piece| pieces.feed(piece));
    assert_eq!(pieces.open(), whole.open(), "the size of the pieces changes nothing");

    let found = digest(statement);
    // A name's bytes that are no UTF-8 take three each; keywords are at most ten times their two bytes.
    assert!(found.text.len() <= 16 * TOKEN_BYTES_MAX, "the text is bounded");
    assert_eq!(found.hash(), digest(statement).hash());
    let told = summary(statement);
    assert!(told.text.len() <= TEXT_BYTES_MAX && told.tables.len() <= TABLES_MAX);
});
