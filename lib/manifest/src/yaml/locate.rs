//! Line and column of a value, found by raising an error at it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::tree::Step;

/// Line and column (both from 1) of what the path leads to. None only if the text is not the one that the
/// path was made from.
pub(crate) fn locate(text: &str, path: &[Step]) -> Option<(usize, usize)> {
    let error = Seek(path).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    error.location().map(|location| (location.line(), location.column()))
}

/// Goes down the path and raises an error at its end; the library adds the position.
#[derive(Clone, Copy)]
struct Seek<'p>(&'p [Step]);

impl Seek<'_> {
    fn found<T, E: de::Error>(self) -> Result<T, E> {
        Err(E::custom("found"))
    }
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.found()
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.found()
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.found()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.found()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.found()
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<(), E> {
        self.found()
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<(), E> {
        self.found()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.found()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.found()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((Step::Item(index), rest)) = self.0.split_first() else { return self.found() };
        for _ in 0..*index {
            list.next_element::<IgnoredAny>()?;
        }
        list.next_element_seed(Seek(rest))?;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (index, at_key, rest) = match self.0.split_first() {
            Some((Step::Key(index), rest)) => (*index, true, rest),
            Some((Step::Value(index), rest)) => (*index, false, rest),
            Some((Step::Item(_), _)) | None => return self.found(),
        };
        for _ in 0..index {
            map.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        if at_key {
            map.next_key_seed(Seek(&[]))?;
        } else {
            map.next_key::<IgnoredAny>()?;
            map.next_value_seed(Seek(rest))?;
        }
        Ok(())
    }
}

/// Line and column of every key, and of every value that is no list and no map.
pub(crate) type Positions = HashMap<Vec<Step>, (usize, usize)>;

/// What [`locate`] says of all of these, in one reading instead of one for each: the library goes on behind a scalar at
/// which an error was raised.
pub(crate) fn positions(text: &str) -> Positions {
    let gathered = Gathered::default();
    // A scalar at the top is an error to the end.
    let _ = Gather(&gathered).deserialize(serde_yaml::Deserializer::from_str(text));
    gathered.found.into_inner()
}

/// What the error says that is raised at each scalar.
const MARK: &str = "\u{1}here";

#[derive(Default)]
struct Gathered {
    path: RefCell<Vec<Step>>,
    found: RefCell<Positions>,
}

impl Gathered {
    /// Goes one step down and back. A scalar's error is its position; any other one ends the reading.
    fn at<T, E: de::Error>(
        &self,
        step: Step,
        read: impl FnOnce() -> Result<Option<T>, E>,
    ) -> Result<bool, E> {
        self.path.borrow_mut().push(step);
        let result = match read() {
            Ok(value) => Ok(value.is_some()),
            Err(error) => match position(&error.to_string()) {
                Some(position) => {
                    self.found.borrow_mut().insert(self.path.borrow().clone(), position);
                    Ok(true)
                }
                None => Err(error),
            },
        };
        self.path.borrow_mut().pop();
        result
    }
}

/// `…\u{1}here at line 3 column 7`; nothing more at the very beginning.
fn position(text: &str) -> Option<(usize, usize)> {
    let (_, numbers) = text.rsplit_once(MARK)?;
    if numbers.is_empty() {
        return Some((1, 1));
    }
    let (line, column) = numbers.strip_prefix(" at line ")?.split_once(" column ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

#[derive(Clone, Copy)]
struct Gather<'g>(&'g Gathered);

impl<'de> DeserializeSeed<'de> for Gather<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Gather<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(E::custom(MARK))
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        Err(E::custom(MARK))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Err(E::custom(MARK))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Err(E::custom(MARK))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Err(E::custom(MARK))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<(), E> {
        Err(E::custom(MARK))
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<(), E> {
        Err(E::custom(MARK))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom(MARK))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom(MARK))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        while self.0.at(Step::Item(index), || list.next_element_seed(self))? {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut index = 0;
        while self.0.at(Step::Key(index), || map.next_key_seed(self))? {
            self.0.at(Step::Value(index), || map.next_value_seed(self).map(Some))?;
            index += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file of the golden ones: each position is the one that a reading for it alone finds.
    #[test]
    fn positions_are_those_of_locate() {
        let mut count = 0;
        for kind in ["app", "image", "board"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(kind);
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let Ok(text) = std::fs::read_to_string(&path) else { continue };
                if text.contains('*') || path.extension().is_none_or(|end| end != "yaml") {
                    continue;
                }
                for (steps, found) in positions(&text) {
                    // A key that is a list is refused before anybody asks.
                    if steps.iter().rev().skip(1).any(|step| matches!(step, Step::Key(_))) {
                        continue;
                    }
                    assert_eq!(locate(&text, &steps), Some(found), "{} {steps:?}", path.display());
                    count += 1;
                }
            }
        }
        assert!(count > 500, "{count}");
    }

    #[test]
    fn locate_finds_every_kind_of_value() {
        use Step::{Item, Key, Value};
        let text = "\
# comment
app: org.nacre.x
run: [/app/bin/x, 'é', \"y\"]
limits: { memory: 4MiB,
  tasks: 8 }
apps:
  - a.b
  - c.d
empty:
app: twice
";
        let table: &[(&[Step], (usize, usize))] = &[
            (&[], (2, 1)),
            (&[Key(0)], (2, 1)),
            (&[Value(0)], (2, 6)),
            (&[Value(1)], (3, 6)),
            (&[Value(1), Item(0)], (3, 7)),
            (&[Value(1), Item(1)], (3, 19)),
            (&[Value(1), Item(2)], (3, 24)),
            (&[Key(2)], (4, 1)),
            (&[Value(2)], (4, 9)),
            (&[Value(2), Key(0)], (4, 11)),
            (&[Value(2), Value(1)], (5, 10)),
            (&[Value(3), Item(1)], (8, 5)),
            (&[Value(4)], (9, 7)),
            (&[Key(5)], (10, 1)),
        ];
        for (path, expected) in table {
            assert_eq!(locate(text, path), Some(*expected), "{path:?}");
        }
    }
}
