//! YAML and JSON whose scalars stay as they are written, with the line of each: a number never passes through a float.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// A node of a document, with the line on which it begins. Equal nodes say the same, wherever they stand.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A scalar's text, and whether it was quoted: then it is a text, whatever it looks like.
    Scalar(String, bool),
    /// A list.
    List(Vec<Node>),
    /// A mapping in its order.
    Map(Vec<(String, Node)>),
}

/// What is wrong with a document as YAML.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) line: usize,
    pub(crate) es: String,
    pub(crate) en: String,
}

/// A document has at most so many levels: ours have about eight.
const DEPTH_MAX: usize = 32;

/// Words that some YAML reader or other does not take for a text.
const NOT_TEXTS: [&str; 11] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan"];

impl Node {
    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self {
            line: 0,
            kind: Kind::Scalar(text.into(), true),
        }
    }

    /// A number, or another word that is not a text.
    pub(crate) fn plain(text: impl ToString) -> Self {
        Self {
            line: 0,
            kind: Kind::Scalar(text.to_string(), false),
        }
    }

    /// A list.
    pub(crate) fn list(items: Vec<Self>) -> Self {
        Self {
            line: 0,
            kind: Kind::List(items),
        }
    }

    /// A mapping.
    pub(crate) fn map(entries: Vec<(String, Self)>) -> Self {
        Self {
            line: 0,
            kind: Kind::Map(entries),
        }
    }

    /// The entries of a mapping; none of anything else.
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(given, _)| given == key).map(|(_, node)| node)
    }

    /// Whether nothing is said.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(text, false) if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// Reads one document. What can still be read is; a syntax error ends it.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<Broken>> {
        let mut faults = Vec::new();
        let mut open: Vec<(Self, Option<String>)> = Vec::new();
        let mut root = None;
        for event in Parser::new_from_str(text) {
            let (event, span) = match event {
                Ok(event) => event,
                Err(cause) => {
                    let info = cause.info();
                    faults.push(Broken {
                        line: cause.marker().line(),
                        es: format!("el YAML no se entiende: {info}"),
                        en: format!("not YAML: {info}"),
                    });
                    return Err(faults);
                }
            };
            let line = span.start.line();
            let mut broken = |es: &str, en: &str| {
                faults.push(Broken {
                    line,
                    es: es.to_owned(),
                    en: en.to_owned(),
                });
            };
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
                Event::Alias(_) => {
                    broken(
                        "sin referencias (*), por favor: escriba el valor",
                        "no aliases (*), please: write the value",
                    );
                    Some(Self {
                        line,
                        kind: Kind::Scalar(String::new(), false),
                    })
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => None,
            };
            if open.len() > DEPTH_MAX {
                broken("demasiados niveles", "too many levels");
                return Err(faults);
            }
            let Some(node) = done else { continue };
            match open.last_mut() {
                None if root.is_none() => root = Some(node),
                None => broken("un solo documento por archivo", "one document in a file"),
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
                    (Some(key), kind) => {
                        if entries.iter().any(|(given, _)| *given == key) {
                            broken(&format!("«{key}» aparece dos veces"), &format!("\"{key}\" comes twice"));
                        }
                        entries.push((key, Self { line, kind }));
                    }
                    (None, Kind::Scalar(text, _)) => *key = Some(text),
                    (None, _) => broken("la clave no es un texto", "the key is not a text"),
                },
                Some((
                    Self {
                        kind: Kind::Scalar(..), ..
                    },
                    _,
                )) => {}
            }
        }
        match root {
            Some(root) if faults.is_empty() => Ok(root),
            Some(_) => Err(faults),
            None => {
                faults.push(Broken {
                    line: 1,
                    es: "el archivo está vacío".into(),
                    en: "the file is empty".into(),
                });
                Err(faults)
            }
        }
    }

    /// The node as JSON; numbers as they were written.
    pub(crate) fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match &self.kind {
            Kind::Scalar(..) if self.is_null() => out.push_str("null"),
            Kind::Scalar(text, false) if is_json_word(text) => out.push_str(text),
            Kind::Scalar(text, _) => quote(out, text),
            Kind::List(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place == 0 { "" } else { "," });
                    item.write_json(out);
                }
                out.push(']');
            }
            Kind::Map(entries) => {
                out.push('{');
                for (place, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if place == 0 { "" } else { "," });
                    quote(out, key);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }

    /// The node as a YAML file: the outer levels in lines of their own, the inner ones in flow style.
    pub(crate) fn to_yaml(&self) -> String {
        let mut out = String::new();
        self.write_block(&mut out, 0, BLOCK_LEVELS);
        out
    }

    /// Writes after `key:` or `-`, with what separates it from that.
    fn write_value(&self, out: &mut String, indent: usize, levels: usize) {
        let block = match &self.kind {
            Kind::Scalar(..) => false,
            Kind::List(items) => levels > 0 && !items.is_empty(),
            Kind::Map(entries) => levels > 0 && !entries.is_empty(),
        };
        if block {
            out.push('\n');
            self.write_block(out, indent, levels);
        } else {
            out.push(' ');
            self.write_flow(out);
            out.push('\n');
        }
    }

    fn write_block(&self, out: &mut String, indent: usize, levels: usize) {
        match &self.kind {
            Kind::Map(entries) => {
                for (key, value) in entries {
                    out.push_str(&" ".repeat(indent));
                    write_text(out, key);
                    out.push(':');
                    let deeper = if matches!(value.kind, Kind::List(_)) { indent } else { indent + 2 };
                    value.write_value(out, deeper, levels - 1);
                }
            }
            Kind::List(items) => {
                for item in items {
                    let mut inner = String::new();
                    match &item.kind {
                        Kind::Map(entries) if levels > 1 && !entries.is_empty() => item.write_block(&mut inner, indent + 2, levels - 1),
                        _ => {
                            inner.push_str(&" ".repeat(indent + 2));
                            item.write_flow(&mut inner);
                            inner.push('\n');
                        }
                    }
                    out.push_str(&" ".repeat(indent));
                    out.push_str("- ");
                    out.push_str(&inner[indent + 2..]);
                }
            }
            Kind::Scalar(..) => {
                self.write_flow(out);
                out.push('\n');
            }
        }
    }

    fn write_flow(&self, out: &mut String) {
        match &self.kind {
            Kind::Scalar(..) if self.is_null() => out.push_str("null"),
            Kind::Scalar(text, false) if is_json_word(text) => out.push_str(text),
            Kind::Scalar(text, _) => write_text(out, text),
            Kind::List(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place == 0 { "" } else { ", " });
                    item.write_flow(out);
                }
                out.push(']');
            }
            Kind::Map(entries) => {
                out.push('{');
                for (place, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if place == 0 { "" } else { ", " });
                    write_text(out, key);
                    out.push_str(": ");
                    value.write_flow(out);
                }
                out.push('}');
            }
        }
    }
}

/// Levels that are written in lines of their own: file, actions, action, indicators.
const BLOCK_LEVELS: usize = 4;

fn is_json_word(text: &str) -> bool {
    matches!(text, "true" | "false") || is_json_number(text)
}

fn is_json_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let whole = text.bytes().take_while(u8::is_ascii_digit).count();
    if whole == 0 || (whole > 1 && text.starts_with('0')) {
        return false;
    }
    let (_, rest) = text.split_at(whole);
    let after_digits = |rest: &str| -> Option<usize> {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0).then_some(digits)
    };
    let rest = match rest.strip_prefix('.') {
        Some(part) => match after_digits(part) {
            Some(digits) => part.split_at(digits).1,
            None => return false,
        },
        None => rest,
    };
    match rest.strip_prefix(['e', 'E']) {
        Some(power) => {
            let power = power.strip_prefix(['+', '-']).unwrap_or(power);
            after_digits(power) == Some(power.len())
        }
        None => rest.is_empty(),
    }
}

/// A text as YAML: plain where every reader takes it for that text, quoted otherwise.
fn write_text(out: &mut String, text: &str) {
    let safe = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/' | '(' | ')' | ';');
    let plain = text.starts_with(char::is_alphabetic)
        && text.chars().all(safe)
        && !text.ends_with(' ')
        && !NOT_TEXTS.contains(&text.to_lowercase().as_str());
    if plain { out.push_str(text) } else { quote(out, text) }
}

/// A quoted text that is the same in JSON and in YAML.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Line breaks to some readers, and the byte order mark.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        Node::parse(text).unwrap_or_else(|broken| panic!("{broken:?}"))
    }

    #[test]
    fn scalars_stay_as_they_are_written() {
        let node = node("a: 0.40\nb: {num: 1.10, den: '2', z: 08}\nc: [x y, ~, 2026-01-01, -1.5e3, true]\n");
        assert_eq!(
            node.to_json(),
            r#"{"a":0.40,"b":{"num":1.10,"den":"2","z":"08"},"c":["x y",null,"2026-01-01",-1.5e3,true]}"#
        );
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let json = r##"{"a":"línea\nsegunda: \"#no\"","b":[],"c":{},"d":[{"e":1,"f":[1,2]},{"e":"yes"}],"g":{"h":{"i":{"j":{"k":"\u2028"}}}},"2020":"- x","l":" m"}"##;
        let yaml = node(json).to_yaml();
        assert_eq!(node(&yaml).to_json(), json);
        assert_eq!(node(&yaml).to_yaml(), yaml);
    }

    #[test]
    fn what_is_broken_is_named_with_its_line() {
        let lines = |text: &str| {
            Node::parse(text)
                .err()
                .unwrap_or_default()
                .iter()
                .map(|broken| broken.line)
                .collect::<Vec<_>>()
        };
        assert_eq!(lines("a: 1\nb: 2\na: 3\nb: 4\n"), [3, 4]);
        assert_eq!(lines("a: &x 1\nb: *x\n"), [2]);
        assert_eq!(lines(""), [1]);
        assert_eq!(lines("a: [1,\nb: 2\n").len(), 1);
        assert_eq!(lines(&"[".repeat(100)).len(), 1);
    }
}
