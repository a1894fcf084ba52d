//! Messages from the kernel, out of bytes.

use super::message::{ALIGNMENT, HEADER};

/// End of a list (`NLMSG_DONE`).
pub(crate) const DONE: u16 = 3;
/// An answer: an error number, 0 if there was none (`NLMSG_ERROR`).
pub(crate) const ERROR: u16 = 2;

/// The answer has the request's header only (`NLM_F_CAPPED`).
const CAPPED: u16 = 0x100;
/// Attributes follow (`NLM_F_ACK_TLVS`).
const WITH_ATTRIBUTES: u16 = 0x200;
/// What was wrong, in words (`NLMSGERR_ATTR_MSG`).
const WORDS: u16 = 1;

/// One message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// What it is.
    pub(crate) kind: u16,
    /// Its flags.
    pub(crate) flags: u16,
    /// Which request it belongs to.
    pub(crate) sequence: u32,
    /// All behind the header.
    pub(crate) body: &'a [u8],
}

/// What the kernel says to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// `errno`, 0 if all is well.
    pub(crate) error: i32,
    /// What was wrong, in words.
    pub(crate) words: Option<String>,
}

impl Message<'_> {
    /// The answer that this message is, if it is one.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        if self.kind != ERROR {
            return None;
        }
        let error = i32::from_ne_bytes(array(self.body, 0)?).saturating_neg();
        let request = u32::from_ne_bytes(array(self.body, 4)?);
        let mut words = None;
        if self.flags & WITH_ATTRIBUTES != 0 {
            let request = usize::try_from(request).unwrap_or(usize::MAX);
            let request = if self.flags & CAPPED == 0 { request.max(HEADER) } else { HEADER };
            let rest = self.body.get(request.saturating_add(4)..).unwrap_or_default();
            let found = attributes(rest).find(|(kind, _)| *kind == WORDS);
            words = found.map(|(_, text)| String::from_utf8_lossy(until_zero(text)).into_owned());
        }
        Some(Verdict { error, words })
    }
}

/// The messages in a packet; what is cut off at its end is left out.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(array(bytes, 0)?)).ok()?;
        let message = Message {
            kind: u16::from_ne_bytes(array(bytes, 4)?),
            flags: u16::from_ne_bytes(array(bytes, 6)?),
            sequence: u32::from_ne_bytes(array(bytes, 8)?),
            body: bytes.get(HEADER..length)?,
        };
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some(message)
    })
}

/// Attributes: their kinds without the flags, and their values.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(array(bytes, 0)?));
        let kind = u16::from_ne_bytes(array(bytes, 2)?) & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// `N` bytes from a place on.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// A text without the zero at its end.
pub(crate) fn until_zero(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(flags: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend([ERROR.to_ne_bytes(), flags.to_ne_bytes()].concat());
        bytes.extend([5, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn error_with_words_is_read_with_and_without_the_request_in_it() {
        let words = [&[8, 0, 1, 0][..], b"no!\0"].concat();
        for (flags, request) in [(WITH_ATTRIBUTES | CAPPED, 16), (WITH_ATTRIBUTES, 24)] {
            let mut body = (-17i32).to_ne_bytes().to_vec();
            body.extend(24u32.to_ne_bytes());
            body.resize(4 + request, 0);
            body.extend(&words);
            let bytes = answer(flags, &body);
            let read = messages(&bytes).next().unwrap().verdict().unwrap();
            assert_eq!(read, Verdict { error: 17, words: Some("no!".into()) });
        }
    }

    #[test]
    fn cut_and_senseless_bytes_end_the_reading() {
        let whole = answer(WITH_ATTRIBUTES, &[0xff; 40]);
        for cut in 0..whole.len() {
            for message in messages(&whole[..cut]) {
                let _ = message.verdict();
            }
        }
        assert_eq!(messages(&[0; 64]).count(), 0, "a length of 0 is no message");
        assert_eq!(attributes(&[0; 64]).count(), 0);
        assert_eq!(attributes(&[4, 0, 1, 0, 255, 255, 1, 0]).count(), 1);
    }
}
