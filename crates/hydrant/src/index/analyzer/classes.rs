//! Which characters make a token: the classes of the rule, and the same as a regular expression for a template.

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A letter, digit or mark of a name.
    Letter,
    Underscore,
    /// A token of its own.
    Single,
    Katakana,
    Separator,
}

pub(super) fn class(character: char) -> Class {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => Class::Letter,
        '_' => Class::Underscore,
        _ if character.is_ascii() => Class::Separator,
        _ if is_ideograph(character) || is_pictograph(character) => Class::Single,
        _ if is_katakana(character) => Class::Katakana,
        _ if character.is_alphanumeric() || is_mark(character) => Class::Letter,
        _ => Class::Separator,
    }
}

/// Characters by their ranges: whether one is of them, and the ranges themselves, for the pattern of a template.
macro_rules! ranges {
    ($(#[$doc:meta])* $name:ident, $all:ident: $($first:literal..=$last:literal)*) => {
        $(#[$doc])*
        const fn $name(character: char) -> bool {
            matches!(character, $($first..=$last)|*)
        }

        const $all: &[(char, char)] = &[$(($first, $last)),*];
    };
}

ranges! {
    /// Han and Hiragana: a token each.
    is_ideograph, IDEOGRAPHS:
    '\u{2E80}'..='\u{2FDF}'
    '\u{3005}'..='\u{3005}'
    '\u{3007}'..='\u{3007}'
    '\u{3021}'..='\u{3029}'
    '\u{3038}'..='\u{303B}'
    '\u{3041}'..='\u{309A}'
    '\u{309D}'..='\u{309F}'
    '\u{3400}'..='\u{4DBF}'
    '\u{4E00}'..='\u{9FFF}'
    '\u{F900}'..='\u{FAFF}'
    '\u{1B001}'..='\u{1B11F}'
    '\u{20000}'..='\u{3FFFF}'
}

ranges! {
    /// Katakana and its marks: a token for each run.
    is_katakana, KATAKANA:
    '\u{3031}'..='\u{3035}'
    '\u{309B}'..='\u{309C}'
    '\u{30A0}'..='\u{30FA}'
    '\u{30FC}'..='\u{30FF}'
    '\u{31F0}'..='\u{31FF}'
    '\u{32D0}'..='\u{32FE}'
    '\u{3300}'..='\u{3357}'
    '\u{FF66}'..='\u{FF9D}'
}

ranges! {
    /// Emoji and other pictographs: a token each.
    is_pictograph, PICTOGRAPHS:
    '\u{2600}'..='\u{27BF}'
    '\u{1F000}'..='\u{1FAFF}'
}

ranges! {
    /// Combining marks that are not letters by themselves.
    is_mark, MARKS:
    '\u{0300}'..='\u{036F}'
    '\u{1AB0}'..='\u{1AFF}'
    '\u{1DC0}'..='\u{1DFF}'
    '\u{20D0}'..='\u{20FF}'
    '\u{FE20}'..='\u{FE2F}'
}

/// What is one token, as a regular expression of Java.
///
/// Java's engine calls itself once for each turn of a repeated group, and a stack that ends takes the server's thread
/// with it. So what repeats is a class of characters, or possessive, which it walks in a loop; no turn is ever given
/// back, since nothing stands behind the last one.
pub fn token_pattern() -> String {
    let class = |all: &[&[(char, char)]]| {
        let ranges = all.iter().flat_map(|ranges| ranges.iter());
        let ranges =
            ranges.map(|(first, last)| format!("\\x{{{:X}}}-\\x{{{:X}}}", u32::from(*first), u32::from(*last)));
        ranges.collect::<String>()
    };
    let (ideographs, katakana, pictographs) = (class(&[IDEOGRAPHS]), class(&[KATAKANA]), class(&[PICTOGRAPHS]));
    let apart = class(&[IDEOGRAPHS, KATAKANA, PICTOGRAPHS]);
    let letter = format!("[\\p{{IsAlphabetic}}\\p{{N}}{}&&[^{apart}]]", class(&[MARKS]));
    let name = format!("_*+{letter}[_{letter}]*+");
    // Not from within a run of `_`: where no letter follows, each of its places would be a search to its end.
    format!("[{ideographs}]|[{katakana}]++|[{pictographs}]|(?<!_){name}(?:\\.{name})*+")
}
