//! The XML that AWS's query services and S3 answer, as a tree of names and texts.
//!
//! No attributes, no namespaces, no entities but the five of XML and characters by number. Depth and size are bounded;
//! what is no XML ends the tree where it ends.

/// Elements inside one another.
const DEPTH_MAX: usize = 32;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Node {
    name: String,
    text: String,
    children: Vec<Node>,
}

impl Node {
    /// The tree of a document; an empty one where there is none.
    pub(in crate::cli::doctor) fn parse(text: &str) -> Node {
        let mut stack = vec![Node::default()];
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('<') {
            if let Some(top) = stack.last_mut() {
                top.text.push_str(&unescaped(before));
            }
            let Some((tag, after)) = behind.split_once('>') else { break };
            rest = after;
            if tag.starts_with(['?', '!']) {
                continue;
            }
            if tag.starts_with('/') {
                close(&mut stack);
                continue;
            }
            let is_empty = tag.ends_with('/');
            let name = tag.trim_end_matches('/').split_whitespace().next().unwrap_or_default().to_owned();
            stack.push(Node { name, ..Node::default() });
            if is_empty {
                close(&mut stack);
            } else if stack.len() > DEPTH_MAX {
                break;
            }
        }
        while stack.len() > 1 {
            close(&mut stack);
        }
        stack.pop().unwrap_or_default()
    }

    /// The name of the document's own element.
    pub(in crate::cli::doctor) fn root(&self) -> Option<&str> {
        self.children.first().map(|child| child.name.as_str())
    }

    /// The first element that is reached by these names, wherever the first of them stands below this one.
    pub(in crate::cli::doctor) fn find(&self, path: &str) -> Option<&Node> {
        let mut names = path.split('/');
        let mut found = self.below(names.next()?)?;
        for name in names {
            found = found.children.iter().find(|child| child.name == name)?;
        }
        Some(found)
    }

    fn below(&self, name: &str) -> Option<&Node> {
        let mut level: Vec<&Node> = self.children.iter().collect();
        while !level.is_empty() {
            if let Some(found) = level.iter().find(|node| node.name == name) {
                return Some(found);
            }
            level = level.iter().flat_map(|node| node.children.iter()).collect();
        }
        None
    }

    /// The elements right below the one that is found so.
    pub(in crate::cli::doctor) fn all(&self, path: &str) -> &[Node] {
        self.find(path).map_or(&[], |found| &found.children)
    }

    /// The elements right below this one that have this name.
    pub(in crate::cli::doctor) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the element that is found so.
    pub(in crate::cli::doctor) fn text(&self, path: &str) -> String {
        self.find(path).map(|found| found.own().to_owned()).unwrap_or_default()
    }

    pub(in crate::cli::doctor) fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.text(path).parse().ok()
    }

    /// The texts of the elements right below the one that is found so.
    pub(in crate::cli::doctor) fn texts(&self, path: &str) -> Vec<String> {
        self.all(path).iter().map(|node| node.own().to_owned()).collect()
    }

    pub(in crate::cli::doctor) fn own(&self) -> &str {
        self.text.trim()
    }
}

fn close(stack: &mut Vec<Node>) {
    if stack.len() < 2 {
        return;
    }
    if let (Some(node), Some(parent)) = (stack.pop(), stack.last_mut()) {
        parent.children.push(node);
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let Some((name, after)) = behind.split_once(';') else {
            out.push('&');
            rest = behind;
            continue;
        };
        let by_number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let found = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            other => match (other.strip_prefix("#x"), other.strip_prefix('#')) {
                (Some(digits), _) => by_number(digits, 16),
                (None, Some(digits)) => by_number(digits, 10),
                (None, None) => None,
            },
        };
        out.extend(found);
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::Node;

    #[test]
    fn names_texts_and_lists_are_read() {
        let text = "<?xml version=\"1.0\"?>\n<R xmlns=\"x\"><Result><Items><member><Name>a &amp; b</Name><N>7</N></member>\
                    <member><Name>&#x41;&#66;&quot;</Name></member></Items><Empty/></Result></R>";
        let tree = Node::parse(text);
        let names: Vec<String> = tree.all("Items").iter().map(|item| item.text("Name")).collect();
        assert_eq!(names, ["a & b", "AB\""]);
        assert_eq!(tree.number::<u64>("Items/member/N"), Some(7));
        assert_eq!((tree.text("Result/Empty"), tree.text("Nothing")), (String::new(), String::new()));
        assert_eq!(tree.find("Result").unwrap().named("Items").count(), 1);
    }

    #[test]
    fn what_is_no_xml_makes_no_panic() {
        for text in ["", "x", "<", "<a", "<a>", "</a>", "<a></a></a>", "<a>&", "<a>&#xFFFFFFFF;</a>", "<a><b></a>"] {
            drop(Node::parse(text));
        }
        drop(Node::parse(&"<a>".repeat(10_000)));
    }
}
