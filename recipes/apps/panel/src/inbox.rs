//! Bytes that came in and are no whole request yet.

use crate::request::{Names, Refusal, Request, parse};

/// Longest head of a request, in bytes.
pub(crate) const MOST_BYTES: usize = 4096;

/// At most [`MOST_BYTES`] of them.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    /// Bytes that may still come.
    pub(crate) fn room(&self) -> usize {
        MOST_BYTES.saturating_sub(self.bytes.len())
    }

    /// Adds what came, as far as there is room.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes.iter().take(self.room()));
    }

    /// Takes the next request out; `None` while it is not all there.
    ///
    /// # Errors
    /// What is wrong with what came, when nothing more can be understood.
    pub(crate) fn take(&mut self, names: &Names) -> Result<Option<Request>, Refusal> {
        match parse(&self.bytes, names)? {
            Some((request, length)) => {
                self.bytes.drain(..length.min(self.bytes.len()));
                Ok(Some(request))
            }
            None if self.room() == 0 => Err(Refusal::HeadTooLong),
            None => Ok(None),
        }
    }

    /// Whether nothing waits in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    #[test]
    fn take_requests_sent_together_gives_one_after_the_other() {
        let mut inbox = Inbox::default();
        inbox.push(REQUEST.repeat(2).as_bytes());
        inbox.push(b"GET");
        assert!(inbox.take(&Names::default()).unwrap().is_some());
        assert!(inbox.take(&Names::default()).unwrap().is_some());
        assert!(inbox.take(&Names::default()).unwrap().is_none());
        assert!(!inbox.is_empty());
    }

    #[test]
    fn take_head_without_end_is_refused() {
        let mut inbox = Inbox::default();
        inbox.push(format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(9000)).as_bytes());
        assert_eq!(inbox.take(&Names::default()), Err(Refusal::HeadTooLong));
    }

    proptest! {
        #[test]
        fn inbox_whatever_comes_in_whatever_pieces_is_bounded(
            pieces in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..600),
                    Just(REQUEST.as_bytes().to_vec()),
                    "[a-z]{1,9}: [ -~]{0,99}\r\n".prop_map(String::into_bytes),
                ],
                0..40,
            ),
        ) {
            let mut inbox = Inbox::default();
            for piece in pieces {
                inbox.push(&piece);
                prop_assert!(inbox.bytes.len() <= MOST_BYTES);
                while let Ok(Some(_)) = inbox.take(&Names::default()) {}
            }
        }

        #[test]
        fn take_request_cut_anywhere_is_the_same(cut in 0..REQUEST.len()) {
            let mut inbox = Inbox::default();
            inbox.push(&REQUEST.as_bytes()[..cut]);
            prop_assert_eq!(inbox.take(&Names::default()), Ok(None));
            inbox.push(&REQUEST.as_bytes()[cut..]);
            prop_assert!(inbox.take(&Names::default()).unwrap().is_some());
            prop_assert!(inbox.is_empty());
        }
    }
}
