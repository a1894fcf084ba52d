//! Values of a wanted kind, out of the tree; what is of another kind is recorded as a problem.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use nacre_diag::did_you_mean;

use super::reading::Reading;
use super::tree::{Node, Step, Value};
use crate::unit::{self, Slip};

/// The known fields of one map.
#[derive(Default)]
pub(crate) struct Fields<'n> {
    found: BTreeMap<&'n str, &'n Node>,
    map: Option<&'n Node>,
    /// Known fields that an unknown one was taken for: not reported as missing as well.
    meant: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// A field, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.found.get(name).copied()
    }

    /// A field that must be there; `example` is a line that would do.
    pub(crate) fn need(&self, reading: &mut Reading<'_>, name: &str, example: &str) -> Option<&'n Node> {
        let found = self.get(name);
        if let (None, Some(map)) = (found, self.map)
            && !self.meant.contains(&name)
        {
            reading.missing(map, name, example);
        }
        found
    }
}

impl Reading<'_> {
    /// The fields of a map. Unknown and repeated ones are recorded.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, known: &[&'static str]) -> Fields<'n> {
        self.fields_or(node, known, |_| None)
    }

    /// The same, where a hint is known for names that belong elsewhere or to other people's files.
    pub(crate) fn fields_or<'n>(
        &mut self,
        node: &'n Node,
        known: &[&'static str],
        elsewhere: impl Fn(&str) -> Option<String>,
    ) -> Fields<'n> {
        let Value::Map(entries) = &node.value else {
            let example = known.first().copied().unwrap_or("name");
            if node.label.is_empty() && matches!(node.value, Value::Null) {
                self.bad(node, "there is nothing in the file", format!("it begins like `{example}: …`"));
                return Fields::default();
            }
            let like = if node.label.is_empty() {
                format!("write it like `{example}: …`, one field a line")
            } else {
                format!("write it like `{}: {{ {example}: … }}`", shown(&node.label))
            };
            self.wrong_kind(node, "a map of fields", &like);
            return Fields::default();
        };
        let mut fields = Fields { map: Some(node), ..Fields::default() };
        let mut listed = false;
        for entry in entries {
            let (key, value) = (entry.key.as_str(), &entry.value);
            if fields.found.contains_key(key) {
                self.bad_key(value, key, format!("field `{key}` is there twice"), "keep one of them".into());
            } else if known.contains(&key) {
                fields.found.insert(key, value);
            } else {
                let under = under(&node.label);
                let there = elsewhere(key);
                let near = did_you_mean(key, known.iter().copied()).filter(|_| there.is_none());
                fields.meant.extend(near);
                let hint = match (there, near) {
                    (Some(there), _) => there,
                    (None, Some(near)) => format!("did you mean `{near}`?"),
                    // Once is enough.
                    (None, None) if std::mem::replace(&mut listed, true) => String::new(),
                    (None, None) => format!("known fields{under}: {}", known.join(", ")),
                };
                self.bad_key(value, key, format!("unknown field `{}`{under}", shown(key)), hint);
            }
        }
        fields
    }

    /// The entries of a map whose keys are free; repeated ones are recorded.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, example: &str) -> Vec<(&'n str, &'n Node)> {
        let Value::Map(entries) = &node.value else {
            self.wrong_kind(node, "a map", &format!("write it like `{example}`"));
            return Vec::new();
        };
        let mut found = BTreeMap::new();
        for entry in entries {
            if found.insert(entry.key.as_str(), &entry.value).is_some() {
                let message = format!("`{}` is there twice", shown(&entry.key));
                self.bad_key(&entry.value, &entry.key, message, "keep one of them".into());
            }
        }
        found.into_iter().collect()
    }

    /// A list with a bounded number of elements.
    pub(crate) fn list<'n>(&mut self, node: &'n Node, max: usize, example: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) if items.len() <= max => items,
            Value::List(items) => {
                let message =
                    format!("`{}` has {} elements, at most {max} are allowed", node.label, items.len());
                self.bad(node, message, "remove some of them: a small device keeps no room for more");
                &[]
            }
            _ => {
                self.wrong_kind(node, "a list", &format!("write it like `{example}`"));
                &[]
            }
        }
    }

    /// Text.
    pub(crate) fn text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) => Some(text),
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) => {
                let hint = match self.source_text(node) {
                    Some(text) => format!("put it in quotes: \"{text}\""),
                    None => "put it in quotes".to_owned(),
                };
                self.wrong_kind(node, "text", &hint);
                None
            }
            _ => {
                self.wrong_kind(node, "text", "");
                None
            }
        }
    }

    /// Text that a type checks.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&mut self, node: &Node, hint: &str) -> Option<T> {
        match self.text(node)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.bad(node, format!("`{}`: {error}", node.label), hint);
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&mut self, node: &Node, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(node)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = match did_you_mean(text, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", names.join(", ")),
        };
        self.bad(node, format!("`{}`: unknown value `{}`", node.label, shown(text)), hint);
        None
    }

    /// True or false.
    pub(crate) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Bool(value) => Some(*value),
            Value::Text(text) if matches!(text.as_str(), "yes" | "no" | "on" | "off") => {
                let word = if matches!(text.as_str(), "yes" | "on") { "true" } else { "false" };
                self.wrong_kind(node, "true or false", &format!("did you mean `{word}`?"));
                None
            }
            _ => {
                self.wrong_kind(node, "true or false", "write `true` or `false`, without quotes");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(crate) fn number<T>(&mut self, node: &Node, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + PartialOrd + Display + Copy,
    {
        let Value::Integer(number) = node.value else {
            self.wrong_kind(node, "a whole number", "write it without quotes, point or unit");
            return None;
        };
        match T::try_from(number) {
            Ok(value) if bounds.contains(&value) => Some(value),
            _ => {
                let message = format!("`{}`: {number} is out of range", node.label);
                self.bad(node, message, format!("it must be {} to {}", bounds.start(), bounds.end()));
                None
            }
        }
    }

    /// A number of bytes within bounds and a multiple of `step`; `why` says where bounds and step come
    /// from.
    pub(crate) fn size(
        &mut self,
        node: &Node,
        bounds: RangeInclusive<u64>,
        step: u64,
        why: &str,
    ) -> Option<u64> {
        let bytes = self.measure(node, "a size like `4MiB`", unit::parse_size)?;
        if !bounds.contains(&bytes) {
            let (least, most) = (unit::show_size(*bounds.start()), unit::show_size(*bounds.end()));
            let message = format!("`{}`: {} is out of range", node.label, unit::show_size(bytes));
            self.bad(node, message, format!("it must be {least} to {most}: {why}"));
            return None;
        }
        if !bytes.is_multiple_of(step) {
            let message =
                format!("`{}`: {bytes} bytes is not a multiple of {}", node.label, unit::show_size(step));
            let near = unit::show_size(bytes.next_multiple_of(step).min(*bounds.end()));
            self.bad(node, message, format!("did you mean `{near}`? {why}"));
            return None;
        }
        Some(bytes)
    }

    /// A value with a unit.
    pub(crate) fn measure<T>(
        &mut self,
        node: &Node,
        wanted: &str,
        parse: impl Fn(&str) -> Result<T, Slip>,
    ) -> Option<T> {
        let text = match &node.value {
            Value::Text(text) => Cow::Borrowed(text.as_str()),
            Value::Integer(number) => Cow::Owned(number.to_string()),
            Value::Float(number) => Cow::Owned(number.to_string()),
            _ => {
                self.wrong_kind(node, wanted, "");
                return None;
            }
        };
        match parse(text.trim()) {
            Ok(value) => Some(value),
            Err(slip) => {
                self.bad(node, format!("`{}`: {}", node.label, slip.message), slip.hint);
                None
            }
        }
    }

    /// Records that a value is of another kind.
    pub(crate) fn wrong_kind(&mut self, node: &Node, wanted: &str, hint: &str) {
        let name = if node.label.is_empty() { "the file".to_owned() } else { format!("`{}`", node.label) };
        let found = match &node.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("`{value}`"),
            Value::Integer(number) => format!("the number {number}"),
            Value::Float(number) => format!("the number {number}"),
            Value::Text(text) => format!("the text `{}`", shown(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        };
        let hint = match (&node.value, hint) {
            (Value::Null, "") if matches!(node.path.last(), Some(Step::Value(_))) => {
                "write its value behind the colon, or remove the line"
            }
            (_, hint) => hint,
        };
        self.bad(node, format!("{name} must be {wanted}, but is {found}"), hint);
    }
}

/// ` under `limits``, or nothing at the top.
pub(crate) fn under(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!(" under `{label}`") }
}

/// A text from the file in short, for a message: its first line, and not too much of it.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let first = text.split('\n').next().unwrap_or_default();
    match first.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &first[..end]),
        None if first.len() < text.trim_end().len() => format!("{first}…"),
        None => first.to_owned(),
    }
}
