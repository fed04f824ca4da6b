//! A JSON reader that remembers where things stand, because OpenSearch's errors say so, and that copies what it does
//! not change.
//!
//! Limits: [`DEPTH_MAX`] levels, and [`NODES_MAX`] values in a request. Numbers and strings stay as they are written;
//! in a request a key may stand only once in an object.

use std::borrow::Cow;
use std::collections::HashSet;

/// Objects and arrays within each other, the limit of OpenSearch's own parser.
pub(super) const DEPTH_MAX: usize = 1_000;

/// Values of one request.
pub(super) const NODES_MAX: usize = 250_000;

/// A value and its place: offsets of its first byte and, for objects and arrays, of its closing bracket.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node<'a> {
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) value: Value<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    Number(&'a str),
    /// What stands between the quotes, escapes and all.
    String(&'a str),
    Array(Vec<Node<'a>>),
    Object(Vec<Member<'a>>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member<'a> {
    /// Offset of the key's opening quote.
    pub(super) at: usize,
    pub(super) raw_key: &'a str,
    pub(super) key: Cow<'a, str>,
    pub(super) node: Node<'a>,
}

/// Why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) at: usize,
    /// The text ended too early.
    pub(super) at_end: bool,
    pub(super) reason: String,
}

/// Line and column of an offset, both from 1, columns in characters.
pub(super) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before.get(line_start..).map_or(0, |line| line.chars().count()) + 1)
}

impl<'a> Node<'a> {
    /// What OpenSearch calls the value's first token.
    pub(super) fn token(&self) -> &'static str {
        match self.value {
            Value::Null => "VALUE_NULL",
            Value::Boolean(_) => "VALUE_BOOLEAN",
            Value::Number(_) => "VALUE_NUMBER",
            Value::String(_) => "VALUE_STRING",
            Value::Array(_) => "START_ARRAY",
            Value::Object(_) => "START_OBJECT",
        }
    }

    pub(super) fn as_string(&self) -> Option<Cow<'a, str>> {
        match self.value {
            Value::String(raw) => Some(unescape(raw)),
            Value::Null | Value::Boolean(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A string, number or boolean as text.
    pub(super) fn as_text(&self) -> Option<Cow<'a, str>> {
        match self.value {
            Value::String(raw) => Some(unescape(raw)),
            Value::Number(text) => Some(Cow::Borrowed(text)),
            Value::Boolean(true) => Some(Cow::Borrowed("true")),
            Value::Boolean(false) => Some(Cow::Borrowed("false")),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(super) fn as_object(&self) -> Option<&[Member<'a>]> {
        match &self.value {
            Value::Object(members) => Some(members),
            Value::Null | Value::Boolean(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        }
    }

    pub(super) fn as_array(&self) -> Option<&[Node<'a>]> {
        match &self.value {
            Value::Array(nodes) => Some(nodes),
            Value::Null | Value::Boolean(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => None,
        }
    }
}

/// Reads the body of a request: strict, bounded.
pub(super) fn parse_request(text: &str) -> Result<Node<'_>, Malformed> {
    let mut reader = Reader { text, at: 0, depth: 0, nodes_left: NODES_MAX, unique_keys: true };
    reader.whole()
}

/// Reads JSON that is ours already. It keeps keys that stand twice.
pub(super) fn parse_trusted(text: &str) -> Result<Node<'_>, Malformed> {
    let mut reader = Reader { text, at: 0, depth: 0, nodes_left: usize::MAX, unique_keys: false };
    reader.whole()
}

/// A value that is whole, or one of which only the beginning is read.
enum Begun<'a> {
    Whole(Node<'a>),
    Open(Open<'a>),
}

/// An array or an object up to its last whole value.
struct Open<'a> {
    at: usize,
    inside: Inside<'a>,
}

enum Inside<'a> {
    Array(Vec<Node<'a>>),
    Object {
        members: Vec<Member<'a>>,
        keys: HashSet<Cow<'a, str>>,
        /// Of the value that is read next.
        key: Option<Key<'a>>,
    },
}

/// A key of an object, as it stands in [`Member`].
struct Key<'a> {
    at: usize,
    raw_key: &'a str,
    key: Cow<'a, str>,
}

/// What is expected where a text ends too early.
const ARRAY_CLOSED: &str = "a close marker for an array";

const OBJECT_CLOSED: &str = "a close marker for an object";

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    nodes_left: usize,
    unique_keys: bool,
}

impl<'a> Reader<'a> {
    fn whole(&mut self) -> Result<Node<'a>, Malformed> {
        let node = self.value()?;
        match self.peek() {
            None => Ok(node),
            Some(byte) => Err(self.unexpected(byte, "the end of the text")),
        }
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// What is open waits on the heap: so many levels are too much for a stack.
    fn value(&mut self) -> Result<Node<'a>, Malformed> {
        let mut all_open: Vec<Open<'a>> = Vec::new();
        loop {
            let mut node = match self.begin()? {
                Begun::Whole(node) => node,
                Begun::Open(open) => {
                    all_open.push(open);
                    continue;
                }
            };
            loop {
                let Some(mut open) = all_open.pop() else { return Ok(node) };
                if self.takes_more(&mut open, node)? {
                    all_open.push(open);
                    break;
                }
                node = self.close(open);
            }
        }
    }

    fn begin(&mut self) -> Result<Begun<'a>, Malformed> {
        self.nodes_left = self
            .nodes_left
            .checked_sub(1)
            .ok_or_else(|| self.malformed(format!("The body has more than {NODES_MAX} values")))?;
        let first = self.peek();
        let at = self.at;
        let value = match first {
            None => return Err(self.ended("a value")),
            Some(b'{') => return self.begin_object(at),
            Some(b'[') => return self.begin_array(at),
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(_) => self.word()?,
        };
        Ok(Begun::Whole(Node { at, end: self.at.saturating_sub(1), value }))
    }

    fn begin_array(&mut self, at: usize) -> Result<Begun<'a>, Malformed> {
        self.enter()?;
        let open = Open { at, inside: Inside::Array(Vec::new()) };
        match self.peek() {
            Some(b']') => Ok(Begun::Whole(self.close(open))),
            Some(_) => Ok(Begun::Open(open)),
            None => Err(self.ended(ARRAY_CLOSED)),
        }
    }

    fn begin_object(&mut self, at: usize) -> Result<Begun<'a>, Malformed> {
        self.enter()?;
        let mut open = Open { at, inside: Inside::Object { members: Vec::new(), keys: HashSet::new(), key: None } };
        if self.peek() == Some(b'}') {
            return Ok(Begun::Whole(self.close(open)));
        }
        if let Inside::Object { key, .. } = &mut open.inside {
            *key = Some(self.key()?);
        }
        Ok(Begun::Open(open))
    }

    /// Takes a value into what is open; answers whether another one follows.
    fn takes_more(&mut self, open: &mut Open<'a>, node: Node<'a>) -> Result<bool, Malformed> {
        match &mut open.inside {
            Inside::Array(nodes) => {
                nodes.push(node);
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => return Ok(false),
                    Some(byte) => return Err(self.unexpected(byte, "comma to separate Array entries")),
                    None => return Err(self.ended(ARRAY_CLOSED)),
                }
                if self.peek().is_none() { Err(self.ended(ARRAY_CLOSED)) } else { Ok(true) }
            }
            Inside::Object { members, keys, key } => {
                let Some(Key { at, raw_key, key: name }) = key.take() else {
                    unreachable!("a value of an object follows its key")
                };
                if self.unique_keys && !keys.insert(name.clone()) {
                    return Err(Malformed { at, at_end: false, reason: format!("Duplicate field '{name}'") });
                }
                members.push(Member { at, raw_key, key: name, node });
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => return Ok(false),
                    Some(byte) => return Err(self.unexpected(byte, "comma to separate Object entries")),
                    None => return Err(self.ended(OBJECT_CLOSED)),
                }
                *key = Some(self.key()?);
                Ok(true)
            }
        }
    }

    /// At the closing bracket.
    fn close(&mut self, open: Open<'a>) -> Node<'a> {
        self.at += 1;
        self.depth -= 1;
        let value = match open.inside {
            Inside::Array(nodes) => Value::Array(nodes),
            Inside::Object { members, .. } => Value::Object(members),
        };
        Node { at: open.at, end: self.at - 1, value }
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<Key<'a>, Malformed> {
        match self.peek() {
            Some(b'"') => {}
            Some(byte) => return Err(self.unexpected(byte, "double-quote to start field name")),
            None => return Err(self.ended(OBJECT_CLOSED)),
        }
        let at = self.at;
        let raw_key = self.string()?;
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(byte) => return Err(self.unexpected(byte, "a colon to separate field name and value")),
            None => return Err(self.ended("a colon")),
        }
        Ok(Key { at, raw_key, key: unescape(raw_key) })
    }

    fn word(&mut self) -> Result<Value<'a>, Malformed> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let value = match rest.get(..length) {
            Some("null") => Value::Null,
            Some("true") => Value::Boolean(true),
            Some("false") => Value::Boolean(false),
            Some("") | None => {
                let byte = rest.bytes().next().unwrap_or_default();
                return Err(self.unexpected(byte, "a value"));
            }
            Some(other) => {
                return Err(self.malformed(format!(
                    "Unrecognized token '{other}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
                )));
            }
        };
        self.at += length;
        Ok(value)
    }

    fn enter(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.malformed(format!("Document nesting depth exceeds the maximum allowed ({DEPTH_MAX})")));
        }
        Ok(())
    }

    /// At the opening quote; answers what stands between the quotes.
    fn string(&mut self) -> Result<&'a str, Malformed> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut at = start;
        loop {
            match bytes.get(at) {
                None => return Err(self.ended("a closing quote for a string value")),
                Some(b'"') => break,
                Some(b'\\') => {
                    let length = match bytes.get(at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u') if hex4(bytes, at + 2).is_some() => 6,
                        Some(_) | None => {
                            self.at = at;
                            return Err(self.malformed("Unrecognized character escape".to_string()));
                        }
                    };
                    at += length;
                }
                Some(byte) if *byte < 0x20 => {
                    self.at = at;
                    return Err(self.malformed(format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {byte})): has to be escaped using backslash to be included in string value"
                    )));
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        Ok(self.text.get(start..at).unwrap_or_default())
    }

    fn number(&mut self) -> Result<&'a str, Malformed> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length =
            rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')).count();
        let text = rest.get(..length).unwrap_or_default();
        if !is_number(text) {
            return Err(self.malformed(format!("Invalid numeric value: {text}")));
        }
        self.at += length;
        Ok(text)
    }

    fn malformed(&self, reason: String) -> Malformed {
        Malformed { at: self.at, at_end: false, reason }
    }

    fn ended(&self, expected: &str) -> Malformed {
        let reason = format!("Unexpected end-of-input: expected {expected}");
        Malformed { at: self.text.len(), at_end: true, reason }
    }

    fn unexpected(&self, byte: u8, expected: &str) -> Malformed {
        let character = self.text.get(self.at..).and_then(|rest| rest.chars().next()).unwrap_or(char::from(byte));
        let code = u32::from(character);
        self.malformed(format!("Unexpected character ('{character}' (code {code})): was expecting {expected}"))
    }
}

/// `-? (0|[1-9][0-9]*) (.[0-9]+)? ([eE][+-]?[0-9]+)?`
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?))
}

/// The text of a string whose escapes are known to be well formed. A lone surrogate becomes U+FFFD.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut escaped = after.chars();
        match escaped.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let (character, length) = unescape_unicode(after);
                out.push(character);
                rest = after.get(length..).unwrap_or_default();
                continue;
            }
            Some(other) => out.push(other),
            None => {}
        }
        rest = escaped.as_str();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// `after` begins with the `u` of an escape. Answers the character and how many bytes it took.
fn unescape_unicode(after: &str) -> (char, usize) {
    let bytes = after.as_bytes();
    let high = hex4(bytes, 1).unwrap_or(0xfffd);
    if (0xd800..0xdc00).contains(&high)
        && after.get(5..7) == Some("\\u")
        && let Some(low) = hex4(bytes, 7)
        && (0xdc00..0xe000).contains(&low)
    {
        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 11);
    }
    (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 5)
}
