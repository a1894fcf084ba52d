//! What apps ask and what they are told; what servers are asked.

use std::net::Ipv4Addr;

use super::message::{A, Header, IN, OPCODE, QR, Question, RA, RD, Rcode};
use super::name::Name;

/// A pointer to the name of the question.
const SAME_NAME: [u8; 2] = [0xc0, 12];

/// What is needed to answer an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) id: u16,
    /// Whether the question wanted recursion: it is said back.
    recursion: u16,
    /// The question's bytes, with upper and lower case as the app wrote them; empty if it was not understood.
    question: Vec<u8>,
}

/// A datagram of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// A question.
    Question(Frame, Question),
    /// Not understood: this is the answer.
    Wrong(Frame, Rcode),
}

/// Reads an app's datagram; `None` if it isn't even the header of a question. What follows the question (an EDNS
/// record, say) is of no interest.
pub(super) fn read(bytes: &[u8]) -> Option<Asked> {
    let header = Header::read(bytes)?;
    if header.flags & QR != 0 {
        return None;
    }
    let mut frame = Frame { id: header.id, recursion: header.flags & RD, question: vec![] };
    if header.flags & OPCODE != 0 {
        return Some(Asked::Wrong(frame, Rcode::NotImp));
    }
    match Question::read(bytes) {
        Some((question, behind)) if header.questions == 1 => {
            frame.question = bytes.get(Header::LEN..behind)?.to_vec();
            Some(Asked::Question(frame, question))
        }
        _ => Some(Asked::Wrong(frame, Rcode::FormErr)),
    }
}

impl Frame {
    /// An answer: the addresses of the question's name, as if they were its own.
    pub(super) fn answer(&self, rcode: Rcode, addresses: &[Ipv4Addr], ttl_s: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(Header::LEN + self.question.len() + 16 * addresses.len());
        Header {
            id: self.id,
            flags: QR | RA | self.recursion | rcode as u16,
            questions: u16::from(!self.question.is_empty()),
            answers: u16::try_from(addresses.len()).unwrap_or(u16::MAX),
        }
        .write(&mut out);
        out.extend(&self.question);
        for address in addresses {
            out.extend(SAME_NAME);
            out.extend(A.to_be_bytes());
            out.extend(IN.to_be_bytes());
            out.extend(ttl_s.to_be_bytes());
            out.extend(4u16.to_be_bytes());
            out.extend(address.octets());
        }
        out
    }

    /// An answer without addresses.
    pub(super) fn empty(&self, rcode: Rcode) -> Vec<u8> {
        self.answer(rcode, &[], 0)
    }
}

/// The question for a server.
pub(super) fn build(id: u16, name: &Name) -> Vec<u8> {
    let mut out = Vec::with_capacity(Header::LEN + name.wire().len() + 4);
    Header { id, flags: RD, questions: 1, answers: 0 }.write(&mut out);
    Question { name: name.clone(), kind: A, class: IN }.write(&mut out);
    out
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An app's question.
    pub(in crate::dns) fn ask(id: u16, name: &str, kind: u16) -> Vec<u8> {
        let mut bytes = build(id, &Name::of_host(name).expect("a name"));
        let at = bytes.len() - 4;
        bytes[at..at + 2].copy_from_slice(&kind.to_be_bytes());
        bytes
    }

    #[test]
    fn question_is_answered_with_its_own_letters() {
        let mut bytes = ask(7, "api.example.com", A);
        bytes[13..16].copy_from_slice(b"APi");
        let Some(Asked::Question(frame, question)) = read(&bytes) else { panic!("a question") };
        assert_eq!(question.name.to_string(), "api.example.com");
        let answer = frame.answer(Rcode::NoError, &[[10, 0, 0, 1].into(), [10, 0, 0, 2].into()], 60);
        let expected = [
            &[0, 7, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0][..],
            &bytes[12..],
            &[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1],
            &[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 2],
        ];
        assert_eq!(answer, expected.concat());
    }

    #[test]
    fn datagram_that_is_no_question_is_ignored_or_told_so() {
        let good = ask(7, "a.b", A);
        let changed = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            bytes
        };
        assert_eq!(read(&changed(2, 0x81)), None, "an answer");
        assert_eq!(read(&good[..11]), None, "less than a header");
        for (bytes, rcode) in [
            (changed(2, 0x29), Rcode::NotImp),
            (changed(5, 0), Rcode::FormErr),
            (changed(5, 2), Rcode::FormErr),
            (changed(12, 0xc0), Rcode::FormErr),
            (good[..good.len() - 1].to_vec(), Rcode::FormErr),
        ] {
            match read(&bytes) {
                Some(Asked::Wrong(frame, found)) => {
                    assert_eq!(found, rcode);
                    assert_eq!(frame.empty(rcode), [0, 7, 0x81, 0x80 | rcode as u8, 0, 0, 0, 0, 0, 0, 0, 0]);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn question_with_a_record_behind_it_is_read() {
        let mut bytes = ask(7, "a.b", A);
        bytes[11] = 1;
        bytes.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        assert!(matches!(read(&bytes), Some(Asked::Question(..))));
    }

    proptest! {
        #[test]
        fn datagram_of_any_bytes_is_read_without_a_panic_and_answered_briefly(
            mut bytes in prop::collection::vec(any::<u8>(), 0..600),
            one in any::<bool>(),
        ) {
            if one && bytes.len() > 12 {
                bytes[2..6].copy_from_slice(&[1, 0, 0, 1]);
            }
            let frame = match read(&bytes) {
                Some(Asked::Question(frame, _) | Asked::Wrong(frame, _)) => frame,
                None => return Ok(()),
            };
            let answer = frame.answer(Rcode::NoError, &[Ipv4Addr::LOCALHOST; 8], 1);
            prop_assert!(answer.len() <= crate::dns::MAX_DATAGRAM);
        }
    }
}
