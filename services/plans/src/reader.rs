//! What reading a plan file needs: the line of every field, all faults at once, and the keys that nobody asked for.

use std::collections::{BTreeSet, HashMap, HashSet};

use vigia_platform::Faults;
use vigia_proto::types::Decimal;

use crate::{
    annotations::{self, Keys},
    yaml::{Kind, Node},
};

/// Reads values, and remembers where each field stands and what is wrong.
#[derive(Default)]
pub(crate) struct Reader {
    lines: HashMap<String, usize>,
    faults: Vec<(String, usize, String, String)>,
    /// Keys kept as annotations.
    kept: BTreeSet<String>,
}

/// A mapping that is being read: what was asked for, and what is left.
pub(crate) struct Table<'a> {
    path: String,
    pub(crate) line: usize,
    node: &'a Node,
    taken: HashSet<&'a str>,
}

impl<'a> Table<'a> {
    /// The path of a key.
    pub(crate) fn at(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Whether the key stands there, even with nothing.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.node.get(key).is_some()
    }

    /// The value of a key; none where it says nothing.
    pub(crate) fn take(&mut self, key: &str) -> Option<&'a Node> {
        let (key, value) = self.node.entries().iter().find(|(given, _)| given == key)?;
        self.taken.insert(key);
        (!value.is_null()).then_some(value)
    }

    /// What nobody asked for, as it stands.
    pub(crate) fn rest(self) -> Vec<(String, Node)> {
        self.node
            .entries()
            .iter()
            .filter(|(key, _)| !self.taken.contains(key.as_str()))
            .cloned()
            .collect()
    }
}

impl Reader {
    /// Notes a fault.
    pub(crate) fn fault(&mut self, path: &str, line: usize, es: &str, en: &str) {
        self.faults.push((path.to_owned(), line, es.to_owned(), en.to_owned()));
    }

    /// Begins to read a mapping that stands at `path`.
    pub(crate) fn open<'a>(&mut self, node: &'a Node, path: &str) -> Table<'a> {
        if !matches!(node.kind, Kind::Map(_)) && !node.is_null() {
            self.fault(path, node.line, "debe tener claves y valores", "must have keys and values");
        }
        if node.line > 0 {
            self.lines.entry(path.to_owned()).or_insert(node.line);
        }
        Table {
            path: path.to_owned(),
            line: node.line,
            node,
            taken: HashSet::new(),
        }
    }

    /// The value of a key, its line noted under the path of `field`.
    fn take<'a>(&mut self, table: &mut Table<'a>, key: &str, field: &str) -> Option<(&'a Node, String)> {
        let node = table.take(key)?;
        let path = table.at(field);
        self.lines.insert(path.clone(), node.line);
        Some((node, path))
    }

    /// A scalar's text; empty where there is none.
    pub(crate) fn text(&mut self, table: &mut Table<'_>, key: &str) -> String {
        self.text_at(table, key, key)
    }

    /// A scalar's text that makes the field of another name.
    pub(crate) fn text_at(&mut self, table: &mut Table<'_>, key: &str, field: &str) -> String {
        let Some((node, path)) = self.take(table, key, field) else {
            return String::new();
        };
        if let Kind::Scalar(text, _) = &node.kind {
            return text.clone();
        }
        self.fault(&path, node.line, "debe ser un texto", "must be a text");
        String::new()
    }

    /// Texts: those of a list, or the one scalar.
    pub(crate) fn texts(&mut self, table: &mut Table<'_>, key: &str) -> Vec<String> {
        let Some((node, path)) = self.take(table, key, key) else {
            return Vec::new();
        };
        let mut texts = Vec::new();
        let items = match &node.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for (place, item) in items.iter().enumerate() {
            let path = format!("{path}[{place}]");
            if let Kind::Scalar(text, _) = &item.kind {
                texts.push(text.clone());
            } else {
                self.fault(&path, item.line, "debe ser un texto", "must be a text");
            }
            self.lines.insert(path, item.line);
        }
        texts
    }

    /// The entries of a list.
    pub(crate) fn items<'a>(&mut self, table: &mut Table<'a>, key: &str) -> Vec<&'a Node> {
        let Some((node, path)) = self.take(table, key, key) else {
            return Vec::new();
        };
        if let Kind::List(items) = &node.kind {
            return items.iter().collect();
        }
        self.fault(&path, node.line, "debe ser una lista", "must be a list");
        Vec::new()
    }

    /// A number as it is written; whether it is one is for the check to say.
    pub(crate) fn number(&mut self, table: &mut Table<'_>, key: &str) -> Option<Decimal> {
        let value = self.text(table, key);
        (!value.is_empty()).then_some(Decimal { value })
    }

    /// A whole number.
    pub(crate) fn whole(&mut self, table: &mut Table<'_>, key: &str) -> Option<i32> {
        let (node, path) = self.take(table, key, key)?;
        let number = match &node.kind {
            Kind::Scalar(text, _) => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.fault(&path, node.line, "debe ser un número entero", "must be a whole number");
        }
        number
    }

    /// Whole numbers: those of a list, or the one scalar.
    pub(crate) fn wholes(&mut self, table: &mut Table<'_>, key: &str) -> Vec<i32> {
        let path = table.at(key);
        let texts = self.texts(table, key);
        let numbers: Vec<i32> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        if numbers.len() < texts.len() {
            let line = self.line(&path).unwrap_or_default();
            self.fault(&path, line, "deben ser números enteros", "must be whole numbers");
        }
        numbers
    }

    /// `true` or `false`; false where nothing is said.
    pub(crate) fn flag(&mut self, table: &mut Table<'_>, key: &str) -> bool {
        let Some((node, path)) = self.take(table, key, key) else {
            return false;
        };
        match &node.kind {
            Kind::Scalar(text, _) if text == "true" => return true,
            Kind::Scalar(text, _) if text == "false" => {}
            _ => self.fault(&path, node.line, "debe ser true o false", "must be true or false"),
        }
        false
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(&mut self, table: &mut Table<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
        let (node, path) = self.take(table, key, key)?;
        let found = match &node.kind {
            Kind::Scalar(text, _) => words.iter().find(|(word, _)| word == text).map(|(_, value)| *value),
            _ => None,
        };
        if found.is_none() {
            let known = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            self.fault(
                &path,
                node.line,
                &format!("debe ser uno de: {known}"),
                &format!("must be one of: {known}"),
            );
        }
        found
    }

    /// The keys that nobody asked for as annotations, and those of nested values after them. One that looks like a slip
    /// of the pen is a fault: a weight or a target that is silently missing would change verdicts.
    pub(crate) fn annotations(&mut self, table: Table<'_>, nested: Vec<(String, Node)>, keys: &Keys) -> String {
        let path = table.path.clone();
        let mut entries = table.rest();
        for (key, node) in &entries {
            let meant = keys.known.iter().find(|known| is_slip(key, known));
            if let Some(meant) = meant {
                self.fault(
                    &format!("{path}.{key}"),
                    node.line,
                    &format!("nadie conoce esta clave; ¿quiso decir «{meant}»?"),
                    &format!("nobody knows this key; did you mean \"{meant}\"?"),
                );
            } else {
                self.kept.insert(key.clone());
            }
        }
        entries.extend(nested);
        annotations::write(entries)
    }

    /// What is odd but accepted.
    pub(crate) fn warnings(&self) -> Vec<String> {
        if self.kept.is_empty() {
            return Vec::new();
        }
        let kept: Vec<_> = self.kept.iter().map(String::as_str).collect();
        vec![format!(
            "estas claves se guardan como anotaciones, sin otro efecto: {}",
            kept.join(", ")
        )]
    }

    /// Where a slip would change every deadline or verdict nothing may be unknown but marks of where it comes from, and
    /// marks of a single key (`start_verified`).
    pub(crate) fn only_marks(&mut self, path: &str, rest: &[(String, Node)]) {
        for (key, node) in rest {
            let is_mark = |key: &str| ["source", "verified", "illustrative", "note"].contains(&key);
            if !is_mark(key) && !key.rsplit_once('_').is_some_and(|(_, mark)| is_mark(mark)) {
                self.fault(
                    &format!("{path}.{key}"),
                    node.line,
                    "nadie conoce esta clave: quítela, o corrija cómo se escribe",
                    "nobody knows this key: take it away, or correct its spelling",
                );
            }
        }
    }

    /// The line of a field, or of the nearest thing around it that stands in the file.
    pub(crate) fn line(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// All faults: those of reading, and those that the check found in what was read and that do not follow from the
    /// former.
    pub(crate) fn faults(&self, checked: &Faults) -> Faults {
        let follows = |path: &str| {
            self.faults.iter().any(|(read, ..)| {
                path.strip_prefix(read.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
        };
        let mut all: Vec<(Option<usize>, String, String, String)> = self
            .faults
            .iter()
            .map(|(path, line, es, en)| (Some(*line), path.clone(), es.clone(), en.clone()))
            .collect();
        for fault in checked.list().iter().filter(|fault| !follows(&fault.path)) {
            all.push((self.line(&fault.path), fault.path.clone(), fault.es.clone(), fault.en.clone()));
        }
        all.sort_by_key(|(line, ..)| *line);
        let mut faults = Faults::new();
        for (line, path, es, en) in all {
            match line {
                Some(line) => faults.add(path, format!("línea {line}: {es}"), format!("line {line}: {en}")),
                None => faults.add(path, es, en),
            }
        }
        faults
    }
}

/// Whether a key is a known one but for one letter, more, less, other or changed with its neighbour.
fn is_slip(key: &str, known: &str) -> bool {
    known.len() >= 4 && strsim::osa_distance(key, known) == 1
}
