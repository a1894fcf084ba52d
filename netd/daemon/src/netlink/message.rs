//! Messages to the kernel, as bytes (netlink(7); linux/netlink.h).

/// This message is a request (`NLM_F_REQUEST`).
pub(crate) const REQUEST: u16 = 1;
/// The kernel shall answer that it was done (`NLM_F_ACK`).
pub(crate) const ACK: u16 = 4;
/// Replace what is there (`NLM_F_REPLACE`).
pub(crate) const REPLACE: u16 = 0x100;
/// Refuse if it is there (`NLM_F_EXCL`).
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// Everything, not one thing (`NLM_F_DUMP`); the same bits as two of the others, for other requests.
pub(crate) const DUMP: u16 = 0x300;
/// Make it if it is not there (`NLM_F_CREATE`).
pub(crate) const CREATE: u16 = 0x400;
/// Behind what is there, not before it (`NLM_F_APPEND`).
pub(crate) const APPEND: u16 = 0x800;

/// An attribute that holds others (`NLA_F_NESTED`).
const NESTED: u16 = 0x8000;

/// Length of `struct nlmsghdr`.
pub(super) const HEADER: usize = 16;

/// Messages and attributes begin at multiples of this.
pub(super) const ALIGNMENT: usize = 4;

/// One message after the other.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    /// How many there are: the sequence number of the next.
    count: u32,
}

impl Messages {
    /// Adds a message: its kind, its flags beside [`REQUEST`], its fixed part, its attributes.
    pub(crate) fn add(
        &mut self,
        kind: u16,
        flags: u16,
        fixed: &[u8],
        attributes: impl FnOnce(&mut Attributes<'_>),
    ) {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((flags | REQUEST).to_ne_bytes());
        self.bytes.extend(self.count.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(fixed);
        pad(&mut self.bytes);
        attributes(&mut Attributes { bytes: &mut self.bytes });
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        put(&mut self.bytes, start, &length.to_ne_bytes());
        self.count += 1;
    }

    /// How many messages there are.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// All of them.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The attributes of a message or of an attribute that holds others.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    bytes: &'a mut Vec<u8>,
}

impl Attributes<'_> {
    /// Adds one. No value of netd's is as long as 64 KiB.
    pub(crate) fn add(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        pad(self.bytes);
    }

    /// Adds a number as the packet filter wants them: big-endian.
    pub(crate) fn add_u32(&mut self, kind: u16, value: u32) {
        self.add(kind, &value.to_be_bytes());
    }

    /// The same with 64 bits.
    pub(crate) fn add_u64(&mut self, kind: u16, value: u64) {
        self.add(kind, &value.to_be_bytes());
    }

    /// Adds a text, with the zero at its end.
    pub(crate) fn add_text(&mut self, kind: u16, text: &str) {
        self.add(kind, &[text.as_bytes(), &[0]].concat());
    }

    /// Adds one that begins with a fixed part and holds others.
    pub(crate) fn nest_with(
        &mut self,
        kind: u16,
        fixed: &[u8],
        attributes: impl FnOnce(&mut Attributes<'_>),
    ) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend((kind | NESTED).to_ne_bytes());
        self.bytes.extend(fixed);
        pad(self.bytes);
        attributes(&mut Attributes { bytes: self.bytes });
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        put(self.bytes, start, &length.to_ne_bytes());
    }

    /// Adds one that holds others.
    pub(crate) fn nest(&mut self, kind: u16, attributes: impl FnOnce(&mut Attributes<'_>)) {
        self.nest_with(kind, &[], attributes);
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(value) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::reading::{attributes, messages};

    #[test]
    fn message_with_nested_attributes_is_read_back() {
        let mut built = Messages::default();
        built.add(16, ACK, &[9; 3], |out| {
            out.add_text(3, "app0");
            out.nest_with(18, &[7; 4], |out| out.add_u32(1, 0x0102_0304));
        });
        built.add(17, 0, &[], |_| {});
        let read: Vec<_> = messages(built.bytes()).collect();
        assert_eq!(read.iter().map(|m| (m.kind, m.sequence)).collect::<Vec<_>>(), [(16, 0), (17, 1)]);
        assert_eq!(&read[0].body[..4], [9, 9, 9, 0]);
        let found: Vec<_> = attributes(&read[0].body[4..]).collect();
        assert_eq!(found[0], (3, &b"app0\0"[..]));
        assert_eq!(found[1].0, 18);
        let inner: Vec<_> = attributes(&found[1].1[4..]).collect();
        assert_eq!(inner, [(1, &[1, 2, 3, 4][..])]);
    }
}
