//! The tree of values.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::fields::shown;
use super::{MAX_VALUE_BYTES, MAX_VALUES};

/// One value of the text.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Name for messages: `limits.memory`, `run[0]`; empty for the whole text.
    pub(crate) label: String,
    pub(crate) value: Value,
    /// The way to it from the top.
    pub(crate) path: Vec<Step>,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One line of a map. A key may occur twice; who reads the map refuses that.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Node,
}

/// One step down, by position and not by name, so that also the second of two equal keys can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The element of a list.
    Item(usize),
    /// The key of an entry.
    Key(usize),
    /// The value of an entry.
    Value(usize),
}

impl Node {
    /// The way to the key that names this value; to the value itself in a list or at the top.
    pub(crate) fn key_path(&self) -> Vec<Step> {
        let mut path = self.path.clone();
        if let Some(last) = path.last_mut()
            && let Step::Value(index) = *last
        {
            *last = Step::Key(index);
        }
        path
    }
}

/// What the reading of the tree has used up, and why it stopped if it was us who stopped it.
#[derive(Default)]
pub(crate) struct Budget {
    values: Cell<usize>,
    bytes: Cell<usize>,
    pub(crate) refused: RefCell<Option<&'static str>>,
}

impl Budget {
    /// Counts one more value, or key, of so many bytes.
    fn spend<E: de::Error>(&self, bytes: usize) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        if self.values.get() > MAX_VALUES {
            return Err(self.refuse("too many values (more than 10000, aliases followed)"));
        }
        if self.bytes.get() > MAX_VALUE_BYTES {
            return Err(self.refuse("too much text (more than 1 MiB, aliases followed)"));
        }
        Ok(())
    }

    fn refuse<E: de::Error>(&self, reason: &'static str) -> E {
        *self.refused.borrow_mut() = Some(reason);
        E::custom(reason)
    }
}

/// Reads one value and all that is below it.
pub(crate) struct ReadNode<'b> {
    pub(crate) label: String,
    pub(crate) path: Vec<Step>,
    pub(crate) budget: &'b Budget,
}

impl ReadNode<'_> {
    fn done<E: de::Error>(self, value: Value) -> Result<Node, E> {
        let bytes = if let Value::Text(text) = &value { text.len() } else { 0 };
        self.budget.spend(bytes)?;
        Ok(Node { label: self.label, value, path: self.path })
    }

    fn below(&self, step: Step) -> Vec<Step> {
        let mut path = Vec::with_capacity(self.path.len() + 1);
        path.extend_from_slice(&self.path);
        path.push(step);
        path
    }
}

impl<'de> DeserializeSeed<'de> for ReadNode<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ReadNode<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        self.done(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        self.done(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        self.done(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        self.done(Value::Integer(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        self.done(Value::Integer(value.into()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Node, E> {
        self.done(Value::Integer(value))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
        self.done(Value::Integer(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        self.done(Value::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        self.done(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        loop {
            let index = nodes.len();
            let label = format!("{}[{index}]", shown(&self.label));
            let seed = ReadNode { label, path: self.below(Step::Item(index)), budget: self.budget };
            match list.next_element_seed(seed)? {
                Some(node) => nodes.push(node),
                None => return self.done(Value::List(nodes)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(ReadKey(self.budget))? {
            // Short, as each value below holds a copy.
            let name = shown(&key);
            let label = if self.label.is_empty() { name } else { format!("{}.{name}", shown(&self.label)) };
            let path = self.below(Step::Value(entries.len()));
            let value = map.next_value_seed(ReadNode { label, path, budget: self.budget })?;
            entries.push(Entry { key, value });
        }
        self.done(Value::Map(entries))
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        Err(self.budget.refuse("a tag (`!name`) has no meaning here"))
    }
}

/// Reads the key of an entry as text.
struct ReadKey<'b>(&'b Budget);

impl<'de> DeserializeSeed<'de> for ReadKey<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ReadKey<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_unit<E: de::Error>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }

    fn visit_none<E: de::Error>(self) -> Result<String, E> {
        self.visit_unit()
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<String, E> {
        self.0.spend(value.len())?;
        Ok(value.to_owned())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        Err(self.0.refuse("the name of a field must be plain text, not a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        Err(self.0.refuse("the name of a field must be plain text, not a map"))
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        Err(self.0.refuse("a tag (`!name`) has no meaning here"))
    }
}
