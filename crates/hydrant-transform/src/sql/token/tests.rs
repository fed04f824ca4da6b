//! Tokens of hand-written statements, and that any bytes give tokens.

use super::*;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

/// Each token as `Kind:text`.
fn tokens(text: &str, dialect: Dialect) -> Vec<String> {
    let show = |token: Token| {
        let text = String::from_utf8_lossy(&text.as_bytes()[token.range]).into_owned();
        format!("{:?}:{text}{}", token.kind, if token.closed { "" } else { "…" })
    };
    Tokens::new(text.as_bytes(), dialect).map(show).collect()
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(tokens(text, Dialect::DEFAULT), expected, "{text}");
}

#[test]
fn words_names_and_symbols() {
    check(
        "SELECT a.b_1,`x``y` FROM t$",
        &["Word:SELECT", "Word:a", "Symbol:.", "Word:b_1", "Symbol:,", "Backticked:`x``y`", "Word:FROM", "Word:t$"],
    );
    check(
        "a<=>b->>'$.x'<>c:=1||d",
        &[
            "Word:a",
            "Symbol:<=>",
            "Word:b",
            "Symbol:->>",
            "String:'$.x'",
            "Symbol:<>",
            "Word:c",
            "Symbol::=",
            "Number:1",
            "Symbol:||",
            "Word:d",
        ],
    );
    check("héllo=1", &["Word:héllo", "Symbol:=", "Number:1"]);
}

#[test]
fn strings_in_both_escape_modes() {
    check(r"'a\'b' 'it''s' ", &[r"String:'a\'b'", "String:'it''s'"]);
    check("\"dq\"\"x\" N'n' _utf8mb4'u'", &["String:\"dq\"\"x\"", "String:N'n'", "Word:_utf8mb4", "String:'u'"]);
    assert_eq!(tokens(r"'a\' c'", Dialect::NO_BACKSLASH_ESCAPES), [r"String:'a\'", "Word:c", "String:'…"]);
    check(r"'cut\", &[r"String:'cut\…"]);
    check("'cut", &["String:'cut…"]);
    check("`cut", &["Backticked:`cut…"]);
}

#[test]
fn numbers_bits_and_names_with_digits() {
    check(
        "1 1.5 .5 1.e-3 1e5 1e+ 0x1F 0b101 x'ff' B'1'",
        &[
            "Number:1",
            "Number:1.5",
            "Number:.5",
            "Number:1.e-3",
            "Number:1e5",
            "Word:1e",
            "Symbol:+",
            "Bits:0x1F",
            "Bits:0b101",
            "Bits:x'ff'",
            "Bits:B'1'",
        ],
    );
    check(
        "123abc 1a 0x 0xZ 0b2 db.1 t.2a a-1",
        &[
            "Word:123abc",
            "Word:1a",
            "Word:0x",
            "Word:0xZ",
            "Word:0b2",
            "Word:db",
            "Symbol:.",
            "Word:1",
            "Word:t",
            "Symbol:.",
            "Word:2a",
            "Word:a",
            "Symbol:-",
            "Number:1",
        ],
    );
}

#[test]
fn comments_hints_and_executable_comments() {
    check(
        "a -- it's\nb # c'\nd--e",
        &["Word:a", "Comment:-- it's", "Word:b", "Comment:# c'", "Word:d", "Symbol:-", "Symbol:-", "Word:e"],
    );
    check(
        "a--\nb /* ' */ c /*+ H(t) */ /* cut",
        &["Word:a", "Comment:--", "Word:b", "Comment:/* ' */", "Word:c", "Hint:/*+ H(t) */", "Comment:/* cut…"],
    );
    check(
        "/*!80000 x*/ * /*M!100100 y */ z",
        &[
            "ExecutableBegin:/*!80000",
            "Word:x",
            "ExecutableEnd:*/",
            "Symbol:*",
            "ExecutableBegin:/*M!100100",
            "Word:y",
            "ExecutableEnd:*/",
            "Word:z",
        ],
    );
}

#[test]
fn variables_accounts_and_placeholders() {
    check(
        "@a=@@session.x, 'u'@'h' u@host.name v@10.0.0.1 ?",
        &[
            "Symbol:@",
            "AfterAt:a",
            "Symbol:=",
            "Symbol:@",
            "Symbol:@",
            "Word:session",
            "Symbol:.",
            "Word:x",
            "Symbol:,",
            "String:'u'",
            "Symbol:@",
            "String:'h'",
            "Word:u",
            "Symbol:@",
            "AfterAt:host.name",
            "Word:v",
            "Symbol:@",
            "AfterAt:10.0.0.1",
            "Placeholder:?",
        ],
    );
}

proptest! {
    #[test]
    fn any_bytes_give_tokens_in_order_that_leave_out_blanks_only(
        text in any::<Vec<u8>>(),
        glue in "[-'\"`\\\\/*!#@.0xbe \n]{0,40}",
        backslash_escapes in any::<bool>(),
    ) {
        let text = [text, glue.into_bytes()].concat();
        let mut end = 0;
        for token in Tokens::new(&text, Dialect { backslash_escapes }) {
            prop_assert!(token.range.start >= end && token.range.end > token.range.start);
            prop_assert!(text[end..token.range.start].iter().all(|byte| *byte <= b' ' || *byte == 0x7f));
            end = token.range.end;
        }
        prop_assert!(text[end..].iter().all(|byte| *byte <= b' ' || *byte == 0x7f));
    }

    /// Both lexers agree on what is open at the end of a statement.
    #[test]
    fn what_is_open_at_the_end_is_what_the_other_lexer_says(text in "[-'\"`\\\\/*!#Ma1 \n]{0,24}") {
        use crate::sql::lexer::{Lexer, Open};
        let mut lexer = Lexer::default();
        lexer.feed(text.as_bytes());
        let last = Tokens::new(text.as_bytes(), Dialect::DEFAULT).last();
        let open = last.as_ref().is_some_and(|token| !token.closed);
        let spans = matches!(lexer.open(),
            Open::SingleQuoted | Open::DoubleQuoted | Open::Backticked | Open::BlockComment);
        prop_assert_eq!(open, spans, "{:?}", last);
    }
}
