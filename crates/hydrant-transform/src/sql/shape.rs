//! The shape of a statement: its text with everything taken out that neither its digest nor its summary depends on. So
//! statements of the same shape have the same digest, as open or closed, and the same summary, and it is found much faster than they are.

use super::token::{Kind, Token};

/// What stands for a literal or a comment. No text in UTF-8 has bytes from here on.
const MARKS: u8 = 0xf8;

/// Writes the shape of a statement, which these are the tokens of, behind what stands in `out`.
pub(crate) fn write_shape(statement: &str, tokens: &[Token], out: &mut Vec<u8>) {
    let statement = statement.as_bytes();
    let mut from = 0;
    let mut lists = Lists::default();
    for (idx, token) in tokens.iter().enumerate() {
        let bytes = || statement.get(token.range.clone()).unwrap_or_default();
        let mark = match token.kind {
            Kind::String => MARKS,
            Kind::Bits => MARKS + 1,
            Kind::Number if !lists.may_name_columns() => MARKS + 2,
            Kind::Comment => MARKS + 3,
            Kind::Word | Kind::Symbol => {
                let is_dot =
                    |token: Option<&Token>| token.is_some_and(|token| statement.get(token.range.clone()) == Some(b"."));
                let (before, behind) =
                    (tokens.get(..idx).unwrap_or_default(), tokens.get(idx + 1..).unwrap_or_default());
                // Beside a dot even a keyword is a name.
                let is_name = || is_dot(before.iter().rev().find(is_spoken)) || is_dot(behind.iter().find(is_spoken));
                lists.take(bytes(), is_name);
                continue;
            }
            Kind::Number
            | Kind::Backticked
            | Kind::AfterAt
            | Kind::Placeholder
            | Kind::Hint
            | Kind::ExecutableBegin
            | Kind::ExecutableEnd => continue,
        };
        out.extend_from_slice(statement.get(from..token.range.start).unwrap_or_default());
        out.push(if token.closed { mark } else { mark + 4 });
        from = token.range.end;
    }
    out.extend_from_slice(statement.get(from..).unwrap_or_default());
}

/// Whether a token is one to the server's parser, and no comment in any form.
fn is_spoken(token: &&Token) -> bool {
    !matches!(token.kind, Kind::Comment | Kind::Hint | Kind::ExecutableBegin | Kind::ExecutableEnd)
}

/// Where a number may be a column, and its digits are in the digest: from `BY` to the end of its list, lists within it too.
#[derive(Default)]
struct Lists {
    /// Parentheses that are open.
    depth: i64,
    /// How many of them were, at the outermost list behind `BY`.
    by: Option<i64>,
}

impl Lists {
    fn may_name_columns(&self) -> bool {
        self.by.is_some()
    }

    fn take(&mut self, token: &[u8], is_name: impl Fn() -> bool) {
        match token {
            b"(" => self.depth += 1,
            b")" => self.depth -= 1,
            _ if token.eq_ignore_ascii_case(b"BY") => self.by = Some(self.by.unwrap_or(self.depth).min(self.depth)),
            _ if self.by == Some(self.depth) && token.eq_ignore_ascii_case(b"LIMIT") && !is_name() => self.by = None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::write_shape;
    use crate::sql::digest_and_summary;
    use crate::sql::token::{Dialect, Token, Tokens};

    fn tokens(statement: &str) -> Vec<Token> {
        Tokens::new(statement.as_bytes(), Dialect::DEFAULT).collect()
    }

    fn shape(statement: &str) -> Vec<u8> {
        let mut out = Vec::new();
        write_shape(statement, &tokens(statement), &mut out);
        out
    }

    #[test]
    fn literals_and_comments_are_no_part_of_a_shape() {
        for (one, other, same) in [
            ("SELECT 1, 'a' FROM t /* x */", "SELECT 22, 'b''c' FROM t /* yy */", true),
            ("SELECT 0x1f", "SELECT x'aa'", true),
            ("SELECT 1 FROM t", "SELECT 'a' FROM t", false),
            ("SELECT 1 FROM t", "SELECT 1  FROM t", false),
            ("SELECT 'a'", "SELECT 'a", false),
            ("SELECT a FROM t WHERE b = 1 ORDER BY 1", "SELECT a FROM t WHERE b = 2 ORDER BY 1", true),
            ("SELECT a FROM t ORDER BY 1", "SELECT a FROM t ORDER BY 2", false),
            ("SELECT a FROM t ORDER BY 1 LIMIT 1", "SELECT a FROM t ORDER BY 1 LIMIT 2", true),
            ("SELECT a FROM t ORDER BY (SELECT 1 LIMIT 1), 1", "SELECT a FROM t ORDER BY (SELECT 1 LIMIT 1), 2", false),
            ("SELECT a FROM t ORDER BY t.limit, 1", "SELECT a FROM t ORDER BY t.limit, 2", false),
            ("SELECT a FROM t ORDER BY limit . a, 1", "SELECT a FROM t ORDER BY limit . a, 2", false),
            ("SELECT a FROM t ORDER BY t. /* c */ limit, 1", "SELECT a FROM t ORDER BY t. /* c */ limit, 2", false),
            ("SELECT a FROM t ORDER BY limit /*! . */ a, 1", "SELECT a FROM t ORDER BY limit /*! . */ a, 2", false),
            ("SELECT t1.a1", "SELECT t2.a2", false),
            ("SELECT /*+ MAX_EXECUTION_TIME(1) */ a", "SELECT /*+ MAX_EXECUTION_TIME(2) */ a", false),
        ] {
            assert_eq!(shape(one) == shape(other), same, "{one}");
        }
    }

    /// Parts of statements, each with one of the same shape.
    fn parts() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
        let part = prop::sample::select(vec![
            ("1", "23"),
            ("1.5", "7"),
            (".5", "1e-3"),
            ("'a'", "'it''s \\' x'"),
            ("\"q\"", "''"),
            ("0x1f", "b'1'"),
            ("x'1f'", "0b1"),
            ("/* c */", "/* 'other' */"),
            ("-- c\n", "# d\n"),
            ("'open", "\"open too"),
            ("/* open", "/* 'open"),
            ("SELECT", "SELECT"),
            ("FROM", "FROM"),
            ("ORDER BY", "ORDER BY"),
            ("GROUP BY", "GROUP BY"),
            ("LIMIT", "LIMIT"),
            ("t.limit", "t.limit"),
            (".", "."),
            ("IN (", "IN ("),
            (")", ")"),
            (",", ","),
            (".", "."),
            ("-", "-"),
            ("+", "+"),
            ("@", "@"),
            ("t", "t"),
            ("`b c`", "`b c`"),
            ("NULL", "NULL"),
            ("_utf8mb4", "_utf8mb4"),
            ("<secret>", "<secret>"),
            ("INSERT INTO", "INSERT INTO"),
            ("VALUES (", "VALUES ("),
            (" ", " "),
            ("\n", "\n"),
            ("/*!80000", "/*!80000"),
            ("*/", "*/"),
            (";", ";"),
        ]);
        prop::collection::vec(part, 0..24)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]
        #[test]
        fn statements_of_one_shape_have_one_digest_and_one_summary(parts in parts(), blank in prop::sample::select(vec!["", " "])) {
            let join = |texts: Vec<&str>| texts.join(blank);
            let one = join(parts.iter().map(|(one, _)| *one).collect());
            let other = join(parts.iter().map(|(_, other)| *other).collect());
            if shape(&one) == shape(&other) {
                prop_assert_eq!(digest_and_summary(one.as_bytes(), tokens(&one).into_iter()), digest_and_summary(other.as_bytes(), tokens(&other).into_iter()), "{} | {}", one, other);
            }
        }
    }
}
