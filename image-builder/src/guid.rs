//! GUIDs that are always the same for the same image, board and purpose: RFC 9562, version 8.

use nacre_verify::digest::Digest;

/// The GUID of one thing of an image, as text (`xxxxxxxx-xxxx-8xxx-yxxx-xxxxxxxxxxxx`).
pub fn derive(board: &str, image: &str, purpose: &str) -> String {
    let seed = format!("nacre guid\0{board}\0{image}\0{purpose}");
    let digest = Digest::of(seed.as_bytes()).0;
    let mut bytes = [0u8; 16];
    for (to, from) in bytes.iter_mut().zip(digest) {
        *to = from;
    }
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guid_of_one_purpose_is_stable_and_of_another_differs() {
        let guid = derive("qemu-armv7", "demo", "slot-a");
        assert_eq!(guid, derive("qemu-armv7", "demo", "slot-a"));
        assert_eq!(guid.len(), 36);
        assert_eq!(&guid[14..15], "8");
        assert!(matches!(&guid[19..20], "8" | "9" | "a" | "b"));
        for other in
            [("x", "demo", "slot-a"), ("qemu-armv7", "x", "slot-a"), ("qemu-armv7", "demo", "slot-b")]
        {
            assert_ne!(guid, derive(other.0, other.1, other.2));
        }
    }
}
