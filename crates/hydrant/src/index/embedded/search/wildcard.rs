//! Wildcard patterns: `*` for any characters, `?` for one, a backslash before a character that means itself.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Any,
    One,
    Exactly(char),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
    /// The characters before the first wildcard; empty where case does not count.
    prefix: String,
    ignore_case: bool,
}

impl Pattern {
    pub(super) fn wildcard(text: &str, ignore_case: bool) -> Pattern {
        let mut pieces = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let piece = match character {
                '*' => Piece::Any,
                '?' => Piece::One,
                '\\' => Piece::Exactly(characters.next().unwrap_or('\\')),
                _ => Piece::Exactly(character),
            };
            // Two stars match what one matches.
            if piece != Piece::Any || pieces.last() != Some(&Piece::Any) {
                pieces.push(piece);
            }
        }
        Pattern::new(pieces, ignore_case)
    }

    pub(super) fn starts_with(text: &str, ignore_case: bool) -> Pattern {
        let pieces = text.chars().map(Piece::Exactly).chain([Piece::Any]).collect();
        Pattern::new(pieces, ignore_case)
    }

    fn new(mut pieces: Vec<Piece>, ignore_case: bool) -> Pattern {
        let mut prefix = String::new();
        if ignore_case {
            for piece in &mut pieces {
                if let Piece::Exactly(character) = piece {
                    *character = fold(*character);
                }
            }
        } else {
            prefix.extend(pieces.iter().map_while(|piece| match piece {
                Piece::Exactly(character) => Some(*character),
                Piece::Any | Piece::One => None,
            }));
        }
        Pattern { pieces, prefix, ignore_case }
    }

    /// Every match begins with it.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether all of `text` matches. Takes at most pieces times characters steps: only the last `*` is tried again.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(text) else { return false };
        let mut rest = text.chars();
        let mut pieces = self.pieces.as_slice();
        let mut again: Option<(&[Piece], std::str::Chars<'_>)> = None;
        loop {
            let matched = match pieces.split_first() {
                Some((Piece::Any, after)) => {
                    pieces = after;
                    again = Some((after, rest.clone()));
                    continue;
                }
                Some((piece, after)) => {
                    let matched = rest.next().is_some_and(|character| match piece {
                        Piece::Exactly(wanted) if self.ignore_case => *wanted == fold(character),
                        Piece::Exactly(wanted) => *wanted == character,
                        Piece::One | Piece::Any => true,
                    });
                    pieces = after;
                    matched
                }
                None if rest.as_str().is_empty() => return true,
                None => false,
            };
            if !matched {
                // The last star takes one character more.
                let Some((after, from)) = &mut again else { return false };
                if from.next().is_none() {
                    return false;
                }
                pieces = after;
                rest = from.clone();
            }
        }
    }
}

fn fold(character: char) -> char {
    character.to_lowercase().next().unwrap_or(character)
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn stars_and_question_marks_match_whole_terms() {
        let cases = [
            ("a*c", "abbbc", true),
            ("a*c", "ac", true),
            ("a*c", "acd", false),
            ("*", "", true),
            ("?", "", false),
            ("?", "é", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a**b", "axb", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("abc", "abc", true),
            ("abc", "ABC", false),
            ("", "", true),
            ("", "a", false),
            ("*aab", "aaaaaab", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Pattern::wildcard(pattern, false).matches(text.as_bytes()), expected, "{pattern} {text}");
        }
        assert!(Pattern::wildcard("aB?", true).matches("AbC".as_bytes()));
        assert!(!Pattern::wildcard("*", false).matches(&[0xff]));
    }

    #[test]
    fn a_prefix_is_taken_literally() {
        assert!(Pattern::starts_with("a*", false).matches(b"a*bc"));
        assert!(!Pattern::starts_with("a*", false).matches(b"abc"));
        assert_eq!(Pattern::starts_with("a*", false).prefix(), "a*");
        assert_eq!(Pattern::wildcard("rds\\_w*x", false).prefix(), "rds_w");
        assert_eq!(Pattern::wildcard("rds*", true).prefix(), "");
    }
}
