//! Leaving parts of a JSON tree out: `filter_path` of an answer, `_source` of a document.
//!
//! Both keep the order of what stays, and leave out objects and arrays of which nothing stays.

use super::json::{Member, Node, Value};

/// Patterns of one request, over all of its lists.
pub(super) const PATTERNS_MAX: usize = 1_024;

/// Whether `*` (any characters) and plain characters match a whole text.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    let mut rest = rest;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// `filter_path`: paths to keep, or, with a leading `-`, to leave out. `*` stands for a part of a key, `**` for any
/// number of keys. Arrays are walked through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FilterPath {
    includes: Vec<Vec<String>>,
    excludes: Vec<Vec<String>>,
}

impl FilterPath {
    pub(super) fn parse(list: &str) -> FilterPath {
        let mut filter = FilterPath::default();
        for path in list.split(',').map(str::trim).filter(|path| !path.is_empty()).take(PATTERNS_MAX) {
            let (side, path) = match path.strip_prefix('-') {
                Some(path) => (&mut filter.excludes, path),
                None => (&mut filter.includes, path),
            };
            side.push(path.split('.').map(str::to_string).collect());
        }
        filter
    }

    pub(super) fn is_empty(&self) -> bool {
        self.includes.is_empty() && self.excludes.is_empty()
    }

    /// What stays of an answer; `None` where nothing does.
    pub(super) fn apply<'a>(&self, node: &Node<'a>) -> Option<Node<'a>> {
        let includes: Vec<&[String]> = self.includes.iter().map(Vec::as_slice).collect();
        let excludes: Vec<&[String]> = self.excludes.iter().map(Vec::as_slice).collect();
        filter_node(node, &includes, self.includes.is_empty(), &excludes)
    }
}

fn filter_node<'a>(
    node: &Node<'a>,
    includes: &[&[String]],
    included: bool,
    excludes: &[&[String]],
) -> Option<Node<'a>> {
    rebuild(node, included, &mut |node| filter_node(node, includes, included, excludes), &mut |member: &Member<'a>| {
        let (excludes, excluded) = step(excludes, &member.key);
        if excluded {
            return None;
        }
        let (includes, reached) = step(includes, &member.key);
        filter_node(&member.node, &includes, included || reached, &excludes)
    })
}

/// The patterns that go on below a key, and whether one of them ends here.
fn step<'p>(patterns: &[&'p [String]], key: &str) -> (Vec<&'p [String]>, bool) {
    let mut below: Vec<&'p [String]> = Vec::new();
    let mut reached = false;
    // A suffix that is there already would only do the same work again.
    let mut keep = |pattern: &'p [String]| {
        if !below.contains(&pattern) {
            below.push(pattern);
        }
    };
    for pattern in patterns {
        let mut pattern: &'p [String] = pattern;
        // `**` stays for deeper keys, and may also stand for no key at all.
        while let Some((first, rest)) = pattern.split_first()
            && first == "**"
        {
            keep(pattern);
            reached = reached || rest.is_empty();
            pattern = rest;
        }
        if let Some((first, rest)) = pattern.split_first()
            && glob(first, key)
        {
            reached = reached || rest.is_empty();
            keep(rest);
        }
    }
    (below, reached)
}

/// Keeps scalars if `whole`, and of arrays and objects what the two functions keep.
fn rebuild<'a>(
    node: &Node<'a>,
    whole: bool,
    element: &mut dyn FnMut(&Node<'a>) -> Option<Node<'a>>,
    member: &mut dyn FnMut(&Member<'a>) -> Option<Node<'a>>,
) -> Option<Node<'a>> {
    let value = match &node.value {
        Value::Null | Value::Boolean(_) | Value::Number(_) | Value::String(_) => whole.then(|| node.value.clone()),
        Value::Array(nodes) => {
            let kept: Vec<_> = nodes.iter().filter_map(element).collect();
            let keep = !kept.is_empty() || (whole && nodes.is_empty());
            keep.then_some(Value::Array(kept))
        }
        Value::Object(members) => {
            let kept: Vec<_> = members
                .iter()
                .filter_map(|inner| {
                    let node = member(inner)?;
                    Some(Member { at: inner.at, raw_key: inner.raw_key, key: inner.key.clone(), node })
                })
                .collect();
            let keep = !kept.is_empty() || (whole && members.is_empty());
            keep.then_some(Value::Object(kept))
        }
    };
    value.map(|value| Node { at: node.at, end: node.end, value })
}

/// What of a document is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum SourceFilter {
    /// The bytes as they were written.
    #[default]
    All,
    None,
    /// `*` in a pattern also crosses dots. A pattern that names an object keeps, or leaves out, all of it.
    Some {
        includes: Vec<String>,
        excludes: Vec<String>,
    },
}

impl SourceFilter {
    /// The filtered fields; an empty object where nothing stays.
    pub(super) fn prune<'a>(node: &Node<'a>, includes: &[String], excludes: &[String]) -> Node<'a> {
        let kept = source_node(node, "", includes.is_empty(), includes, excludes);
        kept.unwrap_or(Node { at: node.at, end: node.end, value: Value::Object(Vec::new()) })
    }
}

fn source_node<'a>(
    node: &Node<'a>,
    path: &str,
    included: bool,
    includes: &[String],
    excludes: &[String],
) -> Option<Node<'a>> {
    rebuild(
        node,
        included,
        &mut |node| source_node(node, path, included, includes, excludes),
        &mut |member: &Member<'a>| {
            let path = if path.is_empty() { member.key.to_string() } else { format!("{path}.{}", member.key) };
            if excludes.iter().any(|pattern| glob(pattern, &path)) {
                return None;
            }
            let included = included || includes.iter().any(|pattern| glob(pattern, &path));
            source_node(&member.node, &path, included, includes, excludes)
        },
    )
}
