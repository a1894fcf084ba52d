//! Rules for texts inside payloads: they end up on terminals, in paths and on the kernel's command line.

/// Longest name, version or board text, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 64;

/// Whether a text is 1 to [`MAX_NAME_BYTES`] bytes of visible ASCII.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether a text is a component id: 2 to 8 labels of `[a-z0-9-]` joined by dots, at most 64 bytes, no
/// label empty or with a hyphen at an end. Such a text is safe as a file name.
pub(crate) fn is_component_id(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    text.len() <= MAX_NAME_BYTES
        && (2..=8).contains(&text.split('.').count())
        && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn component_id_table_matches() {
        for good in ["org.nacre.recorder", "a.b", "a-b.c9.d"] {
            assert!(is_component_id(good), "{good}");
        }
        let long = ["a"; 33].join(".");
        for bad in
            ["", "a", ".", "..", "../..", "a..b", "a/b.c", "A.b", "a.-b", "a.b-", "a.b.", "a.b\n", &long]
        {
            assert!(!is_component_id(bad), "{bad}");
        }
    }

    #[test]
    fn name_table_matches() {
        assert!(is_name("1.0.0") && is_name("qemu-armv7") && is_name(&"x".repeat(64)));
        for bad in ["", "a b", "a\n", "\x1b[31m", "é", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
