//! Line and column of a value, found by raising an error at it.

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

#[cfg(test)]
mod tests {
    use super::*;

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
