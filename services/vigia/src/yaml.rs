//! YAML whose scalars stay as they are written: a number never passes through a float.

use anyhow::{Result, anyhow, bail};
use saphyr_parser::{Event, Parser, ScalarStyle};

/// A node of a YAML document, with the line on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Line, from 1.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A scalar's text, and whether it was quoted (then it is a text, whatever it looks like).
    Scalar(String, bool),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in its order.
    Map(Vec<(String, Node)>),
}

/// A document has at most so many levels: ours have about eight.
const DEPTH_MAX: usize = 32;

impl Node {
    /// Reads one document. Anchors and keys that come twice are refused.
    pub fn parse(text: &str) -> Result<Self> {
        let mut open: Vec<(Self, Option<String>)> = Vec::new();
        let mut root = None;
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|cause| anyhow!("línea {} / line {0}: {}", cause.marker().line(), cause.info()))?;
            let line = span.start.line();
            let done = match event {
                Event::Scalar(text, style, _, _) => Some(Self {
                    line,
                    kind: Kind::Scalar(text.into_owned(), style != ScalarStyle::Plain),
                }),
                Event::SequenceStart(..) => {
                    open.push((
                        Self {
                            line,
                            kind: Kind::List(Vec::new()),
                        },
                        None,
                    ));
                    None
                }
                Event::MappingStart(..) => {
                    open.push((
                        Self {
                            line,
                            kind: Kind::Map(Vec::new()),
                        },
                        None,
                    ));
                    None
                }
                Event::SequenceEnd | Event::MappingEnd => open.pop().map(|(node, _)| node),
                Event::Alias(_) => bail!("línea {line} / line {line}: sin anclas, por favor / no anchors, please"),
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => None,
            };
            if open.len() > DEPTH_MAX {
                bail!("línea {line} / line {line}: más de {DEPTH_MAX} niveles / more than {DEPTH_MAX} levels");
            }
            let Some(node) = done else { continue };
            match open.last_mut() {
                None if root.is_none() => root = Some(node),
                None => bail!("línea {line} / line {line}: un solo documento por archivo / one document in a file"),
                Some((
                    Self {
                        kind: Kind::List(items), ..
                    },
                    _,
                )) => items.push(node),
                Some((
                    Self {
                        kind: Kind::Map(entries), ..
                    },
                    key,
                )) => match (key.take(), node.kind) {
                    (Some(key), _) if entries.iter().any(|(given, _)| *given == key) => {
                        bail!("línea {line} / line {line}: «{key}» aparece dos veces / comes twice")
                    }
                    (Some(key), kind) => entries.push((key, Self { line, kind })),
                    (None, Kind::Scalar(text, _)) => *key = Some(text),
                    (None, _) => bail!("línea {line} / line {line}: la clave no es un texto / the key is not a text"),
                },
                Some((
                    Self {
                        kind: Kind::Scalar(..), ..
                    },
                    _,
                )) => bail!("línea {line}: un escalar no contiene nada"),
            }
        }
        root.ok_or_else(|| anyhow!("el archivo está vacío / the file is empty"))
    }

    /// The value of a key; none where it is not there, or empty.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Kind::Map(entries) = &self.kind else { return None };
        entries
            .iter()
            .find(|(given, _)| given == key)
            .map(|(_, node)| node)
            .filter(|node| !node.is_null())
    }

    /// A scalar's text.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text, _) if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// The text of a key.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[(String, Self)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// Texts: those of a list, or the one scalar.
    pub fn texts(&self) -> Vec<&str> {
        match &self.kind {
            Kind::List(items) => items.iter().filter_map(Self::text).collect(),
            _ => self.text().into_iter().collect(),
        }
    }

    fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(text, false) if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// The node as a YAML file, in flow style: plain scalars stay plain, all others are quoted.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        // The outer levels on lines of their own, so that a fault's line means something.
        let next = |out: &mut String, first: bool| {
            out.push_str(if first { "" } else { "," });
            if depth < 3 {
                out.push('\n');
                out.push_str(&" ".repeat(depth + 1));
            } else if !first {
                out.push(' ');
            }
        };
        match &self.kind {
            Kind::Scalar(..) if self.is_null() => out.push_str("null"),
            Kind::Scalar(text, quoted) => {
                let plain = !quoted
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'));
                if plain { out.push_str(text) } else { out.push_str(&quote(text)) }
            }
            Kind::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    next(out, at == 0);
                    item.write(out, depth + 1);
                }
                out.push(']');
            }
            Kind::Map(entries) => {
                out.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    next(out, at == 0);
                    out.push_str(&quote(key));
                    out.push_str(": ");
                    value.write(out, depth + 1);
                }
                out.push('}');
            }
        }
    }
}

/// JSON's strings are YAML's double-quoted ones.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_as_they_are_written() {
        let node = Node::parse("a: 0.40\nb: {num: 1.10, den: '2'}\nc: [x y, ~, 2026-01-01]\n").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(node.text_of("a"), Some("0.40"));
        assert_eq!(node.get("b").and_then(|b| b.text_of("num")), Some("1.10"));
        let again = Node::parse(&node.to_yaml()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(again.to_yaml(), node.to_yaml());
        assert!(node.to_yaml().contains("0.40") && node.to_yaml().contains("\"2\""));
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        assert!(Node::parse("a: 1\na: 2\n").is_err());
        assert!(Node::parse("a: &x 1\nb: *x\n").is_err());
        assert!(Node::parse("").is_err());
    }
}
