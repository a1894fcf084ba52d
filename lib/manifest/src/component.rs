//! Component ids: reverse-DNS names.

use std::fmt;
use std::str::FromStr;

/// The name of an app: 2 to 8 labels of `[a-z0-9-]` joined by dots, at most 64 bytes, no label empty
/// or with a hyphen at an end. Safe as a file name and as a cgroup name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId(String);

/// Why a text is not a component id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a component id: {reason}")]
pub struct ParseComponentIdError {
    text: String,
    reason: &'static str,
}

impl ComponentId {
    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last label, for people: `recorder` of `org.nacre.recorder`.
    pub fn short(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or(&self.0)
    }
}

impl FromStr for ComponentId {
    type Err = ParseComponentIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| Err(ParseComponentIdError { text: text.chars().take(80).collect(), reason });
        if text.len() > 64 {
            return refuse("longer than 64 bytes");
        }
        let labels = text.split('.').count();
        if !(2..=8).contains(&labels) {
            return refuse("it needs 2 to 8 labels with dots between, like `com.example.thermostat`");
        }
        for label in text.split('.') {
            if label.is_empty() {
                return refuse("a label is empty");
            }
            if label.starts_with('-') || label.ends_with('-') {
                return refuse("a label begins or ends with a hyphen");
            }
            if !label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
                return refuse("only a-z, 0-9, hyphens and dots are allowed");
            }
        }
        Ok(Self(text.to_owned()))
    }
}

/// The id that was probably meant by a text that is none: in lower case, hyphens for underscores, dots for slashes.
#[cfg(feature = "yaml")]
pub(crate) fn meant_by(text: &str) -> Option<ComponentId> {
    let plain = text.trim().to_ascii_lowercase().replace(['_', ' '], "-").replace(['/', ':'], ".");
    let labels = plain.split('.').map(|label| label.trim_matches('-')).filter(|label| !label.is_empty());
    labels.collect::<Vec<_>>().join(".").parse().ok()
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<C> minicbor::Encode<C> for ComponentId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for ComponentId {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?.parse().map_err(|_| minicbor::decode::Error::message("not a component id"))
    }
}

#[cfg(test)]
mod tests {
    use super::ComponentId;

    #[test]
    fn component_id_that_is_well_formed_keeps_its_text() {
        let long = format!("{}.{}", "a".repeat(31), "b".repeat(32));
        for text in ["a.b", "org.nacre.recorder", "com.3m.a-1", "a.b.c.d.e.f.g.h", &long] {
            let id: ComponentId = text.parse().expect("an id");
            assert_eq!(id.as_str(), text);
            assert_eq!(id.to_string(), text);
        }
        assert_eq!(
            "org.nacre.recorder".parse::<ComponentId>().map(|id| id.short().to_owned()),
            Ok("recorder".into())
        );
    }

    #[test]
    fn component_id_that_could_be_a_path_or_too_long_is_refused() {
        let long = format!("{}.{}", "a".repeat(32), "b".repeat(32));
        let table = [
            "",
            ".",
            "..",
            "a",
            "a.",
            ".a",
            "a..b",
            "a/b.c",
            "../a.b",
            "A.b",
            "a.b\n",
            "a.b\0",
            "a_b.c",
            "-a.b",
            "a.b-",
            "a.é",
            "a.b.c.d.e.f.g.h.i",
            &long,
        ];
        for text in table {
            assert!(text.parse::<ComponentId>().is_err(), "{text:?}");
        }
    }
}
