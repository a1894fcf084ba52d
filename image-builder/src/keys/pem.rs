//! Ed25519 keys in PEM (RFC 7468, RFC 8410): what `openssl pkey` reads and writes.

use nacre_verify::key::{PublicKey, SigningKey};

/// PrivateKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410, section 7).
const PRIVATE_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410, section 4).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn encode_private(key: &SigningKey) -> String {
    wrap("PRIVATE KEY", &[&PRIVATE_PREFIX[..], &key.to_bytes()[..]].concat())
}

pub(super) fn encode_public(key: &PublicKey) -> String {
    wrap("PUBLIC KEY", &[&PUBLIC_PREFIX[..], &key.as_bytes()[..]].concat())
}

pub(super) fn decode_private(text: &str) -> Option<SigningKey> {
    let der = unwrap("PRIVATE KEY", text)?;
    let seed: [u8; 32] = der.strip_prefix(&PRIVATE_PREFIX[..])?.try_into().ok()?;
    Some(SigningKey::from_bytes(&seed))
}

pub(super) fn decode_public(text: &str) -> Option<PublicKey> {
    let der = unwrap("PUBLIC KEY", text)?;
    let bytes: [u8; 32] = der.strip_prefix(&PUBLIC_PREFIX[..])?.try_into().ok()?;
    PublicKey::from_bytes(&bytes).ok()
}

fn wrap(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64(der))
}

fn unwrap(label: &str, text: &str) -> Option<Vec<u8>> {
    let body = text.trim().strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let body = body.strip_suffix(&format!("-----END {label}-----"))?;
    from_base64(body)
}

/// Base64 (RFC 4648, section 4). The lengths here give at most one line of PEM.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |word, at| word << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let index = word >> (18 - 6 * at) & 63;
            let symbol = usize::try_from(index).ok().and_then(|i| ALPHABET.get(i));
            out.push(if at <= chunk.len() { symbol.copied().map_or('=', char::from) } else { '=' });
        }
    }
    out
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let padding = symbols.iter().rev().take_while(|b| **b == b'=').count();
    if !symbols.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut out = Vec::new();
    for quad in symbols.get(..symbols.len() - padding)?.chunks(4) {
        let mut word = 0u32;
        for symbol in quad {
            let index = ALPHABET.iter().position(|a| a == symbol)?;
            word = word << 6 | u32::try_from(index).ok()?;
        }
        let missing = 4 - quad.len();
        let [_, a, b, c] = (word << (6 * missing)).to_be_bytes();
        out.extend([a, b, c].into_iter().take(3 - missing));
    }
    // Only the one encoding of these bytes.
    (base64(&out).as_bytes() == symbols).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, section 10.3 and 10.1.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn pem_of_rfc_8410_is_read_and_written_back() {
        let private = decode_private(PRIVATE).unwrap();
        assert_eq!(encode_private(&private), PRIVATE);
        let public = decode_public(PUBLIC).unwrap();
        assert_eq!(encode_public(&public), PUBLIC);
        assert_eq!(PublicKey::of(&private), public);
    }

    #[test]
    fn pem_of_something_else_is_refused() {
        for text in [
            "",
            "-----BEGIN PRIVATE KEY-----",
            PUBLIC,
            &PRIVATE.replace("MC4C", "MC4D"),
            &PRIVATE.replace('d', "*"),
        ] {
            assert!(decode_private(text).is_none(), "{text}");
        }
        assert!(decode_public(PRIVATE).is_none());
    }

    #[test]
    fn base64_of_each_length_returns_to_its_bytes() {
        for length in 0..20u8 {
            let bytes: Vec<u8> = (0..length).map(|n| n.wrapping_mul(73)).collect();
            assert_eq!(from_base64(&base64(&bytes)).unwrap(), bytes);
        }
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert!(
            from_base64("Zm9v=").is_none() && from_base64("Zh==").is_none() && from_base64("====").is_none()
        );
    }
}
