//! The kernel's own `hardening.config` files.

use super::setting::{Setting, Want};
use crate::value::Value;

/// Who recommends these.
pub(super) const FROM: &str = "kernel";

/// Parses the text of one: `CONFIG_NAME=value` and `# CONFIG_NAME is not set`, in groups under a comment
/// that ends with a blank line.
pub(super) fn parse(text: &str) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut in_group = false;
    for line in text.lines().map(str::trim) {
        let wanted = match line.strip_prefix("# CONFIG_").and_then(|rest| rest.strip_suffix(" is not set")) {
            Some(symbol) => Some(Want::Config(symbol.to_owned(), Value::No)),
            None if line.starts_with('#') => None,
            None => Want::parse(line).ok(),
        };
        match (wanted, line.strip_prefix('#')) {
            (Some(wanted), _) => {
                in_group = true;
                let reason = comment.join(" ");
                settings.push(Setting { wanted, instead: Vec::new(), reason, from: vec![FROM] });
            }
            (None, Some(text)) => {
                if std::mem::take(&mut in_group) {
                    comment.clear();
                }
                comment.push(text.trim());
            }
            (None, None) => {
                comment.clear();
                in_group = false;
            }
        }
    }
    settings
}
