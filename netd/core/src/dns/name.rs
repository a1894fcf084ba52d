//! Domain names in messages (RFC 1035, sections 3.1 and 4.1.4).

use std::fmt::{self, Write};

use crate::policy;

/// Longest name in a message, with its lengths and the 0 at the end (RFC 1035, section 2.3.4).
const LONGEST: usize = 255;

/// Bytes of the header, into which no pointer leads.
const HEADER: usize = 12;

/// A name in the form of the wire, uncompressed and in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(Vec<u8>);

impl Name {
    /// From the text of a host name.
    pub(super) fn of_host(text: &str) -> Option<Self> {
        if !policy::is_host_name(text) {
            return None;
        }
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            wire.push(u8::try_from(label.len()).ok()?);
            wire.extend(label.bytes());
        }
        wire.push(0);
        Some(Self(wire))
    }

    /// Reads the name at an offset; also gives the offset behind it. A pointer leads strictly backwards, before where
    /// the labels that it ends begin, so that no byte is read twice.
    pub(super) fn read(message: &[u8], at: usize) -> Option<(Self, usize)> {
        let mut wire = Vec::with_capacity(32);
        let (mut position, mut begin, mut behind) = (at, at, None);
        loop {
            let len = *message.get(position)?;
            match len {
                0 => {
                    wire.push(0);
                    wire.make_ascii_lowercase();
                    return Some((Self(wire), behind.unwrap_or(position + 1)));
                }
                1..=63 => {
                    let next = position + 1 + usize::from(len);
                    // The length and the label; a length is below the letters, so lower case doesn't change it.
                    wire.extend(message.get(position..next)?);
                    if wire.len() >= LONGEST {
                        return None;
                    }
                    position = next;
                }
                0xc0.. => {
                    let low = *message.get(position + 1)?;
                    let target = usize::from(u16::from_be_bytes([len & 0x3f, low]));
                    behind.get_or_insert(position + 2);
                    if target < HEADER || target >= begin {
                        return None;
                    }
                    (position, begin) = (target, target);
                }
                // 64 to 191 are kinds of labels that nobody uses (RFC 6891, section 5).
                _ => return None,
            }
        }
    }

    /// The bytes for a message.
    pub(super) fn wire(&self) -> &[u8] {
        &self.0
    }

    /// As text, if it is the name of a host.
    pub(super) fn host(&self) -> Option<String> {
        let text = self.to_string();
        policy::is_host_name(&text).then_some(text)
    }

    fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (len, behind) = rest.split_first()?;
            let (label, next) = behind.split_at_checked((*len).into())?;
            rest = next;
            (!label.is_empty()).then_some(label)
        })
    }
}

/// With dots between the labels, and what isn't a letter, a digit, `-` or `_` as `\` and three digits.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_char('.')?;
            }
            for byte in label {
                match byte {
                    b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => f.write_char(char::from(*byte))?,
                    other => write!(f, "\\{other:03}")?,
                }
            }
        }
        if self.0.len() <= 1 { f.write_char('.') } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(tail: &[u8]) -> Vec<u8> {
        [&[0; HEADER][..], tail].concat()
    }

    #[test]
    fn name_of_each_form_is_read() {
        let bytes = message(b"\x03wWw\x07exAmple\x00\xc0\x10\x01a\xc0\x10\xc0\x0c\x00");
        for (at, text, behind) in [
            (12, "www.example", 25),
            (16, "example", 25),
            (25, "example", 27),
            (27, "a.example", 31),
            (31, "www.example", 33),
            (33, ".", 34),
        ] {
            let (name, end) = Name::read(&bytes, at).expect(text);
            assert_eq!((name.to_string().as_str(), end), (text, behind));
        }
    }

    #[test]
    fn name_that_loops_or_leaves_the_message_is_none() {
        for (tail, at, what) in [
            (&b"\xc0\x0c"[..], 12, "a pointer to itself"),
            (b"\x01a\xc0\x0c", 12, "a pointer to its own beginning"),
            (b"\x01a\xc0\x0e", 12, "a pointer to the pointer"),
            (b"\xc0\x0e\xc0\x0c", 12, "two pointers in a circle"),
            (b"\xc0\x0e\x01a\x00", 12, "a pointer forwards"),
            (b"\xff\xff", 12, "a pointer out of the message"),
            (b"\xc0\x00", 12, "a pointer into the header"),
            (b"\xc0", 12, "half a pointer"),
            (b"\x05abc", 12, "a label that is cut"),
            (b"\x01a", 12, "no end"),
            (b"\x40abc\x00", 12, "a reserved kind of label"),
            (b"\x80abc\x00", 12, "another"),
            (b"", 12, "nothing"),
            (b"\x00", 400, "an offset behind the end"),
        ] {
            assert_eq!(Name::read(&message(tail), at), None, "{what}");
        }
    }

    #[test]
    fn name_of_the_longest_length_is_read_and_a_longer_one_is_not() {
        let mut tail = [&[63][..], &[b'a'; 63]].concat().repeat(3);
        tail.extend([&[61][..], &[b'a'; 61], &[0]].concat());
        assert_eq!(tail.len(), LONGEST);
        let (name, _) = Name::read(&message(&tail), 12).expect("255 bytes");
        assert_eq!(name.host().map(|host| host.len()), Some(253));
        let mut longer = [&[63][..], &[b'a'; 63]].concat().repeat(3);
        longer.extend([&[62][..], &[b'a'; 62], &[0]].concat());
        assert_eq!(Name::read(&message(&longer), 12), None);
        // Made longer by pointers, each of which goes backwards.
        let mut chain = b"\x01a\x00".to_vec();
        for index in 0..200u16 {
            let target = if index == 0 { 12 } else { 12 + 3 + (index - 1) * 4 };
            chain.extend([1, b'b']);
            chain.extend((0xc000 | target).to_be_bytes());
        }
        assert!(Name::read(&message(&chain), 12 + 3 + 4 * 120).is_some());
        assert_eq!(Name::read(&message(&chain), 12 + 3 + 4 * 199), None);
    }

    #[test]
    fn name_of_a_host_is_the_same_read_and_made() {
        let made = Name::of_host("api.example.com").expect("a name");
        assert_eq!(made.wire(), b"\x03api\x07example\x03com\x00");
        assert_eq!(Name::read(&message(made.wire()), 12).map(|(name, _)| name), Some(made.clone()));
        assert_eq!(made.host().as_deref(), Some("api.example.com"));
        for text in ["", ".", "a..b", "A.b", "a_b", "10.0.0.1", "-a.b"] {
            assert_eq!(Name::of_host(text), None, "{text}");
        }
    }

    #[test]
    fn name_that_is_no_host_is_shown_without_harm() {
        let (name, _) = Name::read(&message(b"\x06a.b\n\"\x1b\x04_tcp\x00"), 12).expect("a name");
        assert_eq!(name.to_string(), "a\\046b\\010\\034\\027._tcp");
        assert_eq!(name.host(), None);
    }

    proptest! {
        #[test]
        fn name_in_any_bytes_is_read_without_a_panic_and_within_its_bounds(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..4, Just(0xc0), 10u8..40], 0..600),
            at in 0usize..620,
        ) {
            if let Some((name, behind)) = Name::read(&bytes, at) {
                prop_assert!(name.wire().len() <= LONGEST);
                prop_assert!(behind > at && behind <= bytes.len());
                prop_assert_eq!(Name::read(&message(name.wire()), HEADER).map(|(again, _)| again), Some(name));
            }
        }
    }
}
