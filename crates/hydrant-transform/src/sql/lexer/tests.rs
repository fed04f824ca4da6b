//! What is open at the end of a piece of SQL.

use proptest::prelude::*;

use super::{Lexer, Open};

fn open_after(text: &str) -> Open {
    let mut lexer = Lexer::default();
    lexer.feed(text.as_bytes());
    lexer.open()
}

#[test]
fn quotes_open_and_close() {
    for (text, open) in [
        ("", Open::Code),
        ("SELECT 1", Open::Code),
        ("SELECT 'a", Open::SingleQuoted),
        ("SELECT 'a'", Open::Code),
        ("SELECT \"a", Open::DoubleQuoted),
        ("SELECT \"a'b\"", Open::Code),
        ("SELECT `a", Open::Backticked),
        ("SELECT `a`", Open::Code),
        ("SELECT 'a`\"-- /* # b'", Open::Code),
        ("SELECT 'line\nline", Open::SingleQuoted),
    ] {
        assert_eq!(open_after(text), open, "{text}");
    }
}

#[test]
fn a_doubled_quote_stands_for_itself() {
    for (text, open) in [
        ("'it''s", Open::SingleQuoted),
        ("'it''s'", Open::Code),
        ("''", Open::Code),
        ("'''", Open::SingleQuoted),
        ("''''", Open::Code),
        ("`a``b", Open::Backticked),
        ("\"a\"\"b\"", Open::Code),
    ] {
        assert_eq!(open_after(text), open, "{text}");
    }
}

#[test]
fn a_backslash_escapes_in_strings_but_not_in_quoted_names() {
    for (text, open) in [
        (r"'va\'l", Open::SingleQuoted),
        (r"'va\'l'", Open::Code),
        (r"'back\\'", Open::Code),
        (r"'back\", Open::SingleQuoted),
        (r#""a\"b"#, Open::DoubleQuoted),
        (r"`a\`", Open::Code),
        (r"SELECT \'a", Open::SingleQuoted),
    ] {
        assert_eq!(open_after(text), open, "{text}");
    }
}

#[test]
fn comments_hide_quotes() {
    for (text, open) in [
        ("SELECT 1 -- it's", Open::LineComment),
        ("SELECT 1 -- it's\n", Open::Code),
        ("SELECT 1 --it's", Open::SingleQuoted),
        ("SELECT 1 --\tit's\n", Open::Code),
        ("SELECT 1 --\nit's", Open::SingleQuoted),
        ("SELECT 5--- it's\n", Open::Code),
        ("SELECT 1-'a", Open::SingleQuoted),
        ("SELECT 1 # it's\n", Open::Code),
        ("/* it's", Open::BlockComment),
        ("/* it's */", Open::Code),
        ("/* it's **/ 'a", Open::SingleQuoted),
        ("/*/ it's", Open::BlockComment),
        ("/**/'", Open::SingleQuoted),
        ("/* -- */ 'x", Open::SingleQuoted),
        ("/*+ hint's */", Open::Code),
        ("SELECT 4/2*'x", Open::SingleQuoted),
        ("/* /* */ 'x", Open::SingleQuoted),
    ] {
        assert_eq!(open_after(text), open, "{text}");
    }
}

#[test]
fn the_body_of_an_executable_comment_is_code() {
    for (text, open) in [
        ("/*!40101 SET NAMES", Open::ExecutableComment),
        ("/*!40101 SET NAMES 'a", Open::SingleQuoted),
        ("/*!40101 SET NAMES '*/", Open::SingleQuoted),
        ("/*!40101 SET a=1*2 */", Open::Code),
        ("/*!40101 a /* it's */ b", Open::ExecutableComment),
        ("/*M!100100 x", Open::ExecutableComment),
        ("/*M!100100 x */ 1", Open::Code),
        ("/*Mx it's */", Open::Code),
        ("1 */ 'x'", Open::Code),
    ] {
        assert_eq!(open_after(text), open, "{text}");
    }
}

#[test]
fn only_code_and_line_comments_end_with_the_line() {
    assert!(!Open::Code.spans_lines());
    assert!(!Open::LineComment.spans_lines());
    for open in [Open::SingleQuoted, Open::DoubleQuoted, Open::Backticked, Open::BlockComment, Open::ExecutableComment]
    {
        assert!(open.spans_lines());
    }
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_state_of_the_whole(
        text in "[-/*!M'\"`#\\\\a \n]{0,60}",
        cuts in prop::collection::vec(1usize..5, 1..20),
    ) {
        let mut lexer = Lexer::default();
        let mut rest = text.as_bytes();
        for size in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*size));
            lexer.feed(piece);
            rest = after;
        }
        prop_assert_eq!(lexer.open(), open_after(&text));
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        Lexer::default().feed(&bytes);
    }
}
