//! The manifest's text with other grants: comments and everything else stay as they are.

use super::grants::{Grants, LISTS, VALUES};

/// A key at the top of the manifest, and the fields below it.
const KEYS: [(&str, &[&str]); 8] = [
    ("storage", &["storage.data"]),
    ("network", &["network.connect", "network.listen"]),
    ("devices", &["devices.gpio", "devices.uart"]),
    ("system", &["system"]),
    ("apps", &["apps"]),
    ("events", &["events"]),
    ("health", &["health.heartbeat"]),
    ("memory", &["memory.writable-executable"]),
];

/// The text with what was seen, without what was not.
pub(super) fn text(before: &str, granted: &Grants, seen: &Grants, runs: u32) -> String {
    let wanted = granted.without_unused(seen);
    let (new, unused) = (seen.beyond(granted), granted.unused(seen));
    let mut lines: Vec<String> = before.lines().map(str::to_owned).collect();
    for (key, fields) in KEYS {
        let of = |field: &str| fields.contains(&field);
        let mut reasons: Vec<String> = Vec::new();
        for [field, line, tried] in new.iter().filter(|[field, ..]| of(field)) {
            reasons.push(format!("# Learned: {field} {line}: it tried to {}", sentence(tried)));
        }
        for [field, line] in unused.iter().filter(|[field, _]| of(field)) {
            reasons.push(format!("# Learned: no {field} {line}: not used in {runs} runs"));
        }
        if !reasons.is_empty() {
            replace(&mut lines, key, reasons, value(key, fields, &wanted));
        }
    }
    let mut text = lines.join("\n");
    text.push('\n');
    if before.is_empty() || lines == before.lines().collect::<Vec<_>>() { before.to_owned() } else { text }
}

fn sentence(tried: &str) -> String {
    let plain: String = tried.chars().filter(|c| !c.is_control()).take(100).collect();
    if plain.contains('(') { format!("call {plain}") } else { plain }
}

/// `network: { connect: ["…"] }`, or nothing if nothing is left of it.
fn value(key: &str, fields: &[&str], wanted: &Grants) -> Option<String> {
    let list = |field: &str| {
        let lines: Vec<String> =
            wanted.of_field(field).iter().map(|(line, _)| format!("\"{line}\"")).collect();
        (!lines.is_empty()).then(|| format!("[{}]", lines.join(", ")))
    };
    let parts: Vec<(&str, String)> = fields
        .iter()
        .filter_map(|field| {
            let value = if VALUES.contains(field) {
                wanted.of_field(field).first().map(|(line, _)| (*line).to_owned())
            } else {
                debug_assert!(LISTS.contains(field));
                list(field)
            };
            Some((field.rsplit('.').next().unwrap_or(field), value?))
        })
        .collect();
    match parts.as_slice() {
        [] => None,
        [(name, value)] if *name == key => Some(format!("{key}: {value}")),
        parts => {
            let parts: Vec<String> = parts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            Some(format!("{key}: {{ {} }}", parts.join(", ")))
        }
    }
}

/// Puts the reasons and the value where the key was, or at the end. Comments in the key's own lines stay, above it.
fn replace(lines: &mut Vec<String>, key: &str, reasons: Vec<String>, value: Option<String>) {
    let start =
        lines.iter().position(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')));
    let (at, end) = match start {
        None => (lines.len(), lines.len()),
        Some(start) => {
            let more = lines.iter().skip(start + 1);
            let own = more.take_while(|line| line.starts_with([' ', '\t', '-', '}', ']'])).count();
            (start, start + 1 + own)
        }
    };
    let comments: Vec<String> =
        lines.get(at..end).unwrap_or_default().iter().filter_map(|line| comment(line)).collect();
    let fresh = comments.into_iter().chain(reasons).chain(value);
    lines.splice(at..end, fresh.collect::<Vec<_>>());
}

/// The comment in a line: what follows a `#` that stands first or after a blank, and not between quotes.
fn comment(line: &str) -> Option<String> {
    let (mut quote, mut last) = (None, ' ');
    for (at, letter) in line.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '#') if last.is_whitespace() => return line.get(at..).map(str::to_owned),
            _ => {}
        }
        last = letter;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::grants::tests::{denial, manifest};
    use super::*;

    fn proposed(more: &str, denials: &[(&str, &str, &str)]) -> String {
        let (before, parsed) = manifest(more);
        let mut seen = Grants::default();
        for (field, line, tried) in denials {
            seen.take(&denial(field, line, tried));
        }
        let after = text(&before, &Grants::of(&parsed), &seen, 3);
        let read = nacre_manifest::app::parse(&after, "nacre.yaml").expect("still a manifest").manifest;
        assert_eq!(Grants::of(&read).names(), Grants::of(&parsed).without_unused(&seen).names());
        after.strip_prefix(&manifest("").0).map(str::to_owned).unwrap_or(after)
    }

    #[test]
    fn grants_are_added_and_removed_and_comments_stay() {
        let connect = ("network.connect", "tcp:10.0.2.2:8883", "connect tcp 10.0.2.2:8883");
        assert_eq!(
            proposed("", &[connect]),
            "# Learned: network.connect tcp:10.0.2.2:8883: it tried to connect tcp 10.0.2.2:8883\n\
             network: { connect: [\"tcp:10.0.2.2:8883\"] }\n"
        );
        let before = "# Its broker.\nnetwork:   # twice\n  listen: [\"tcp:80\"]  # \"web\"\n  # none\n\nsystem: [stats]\n";
        assert_eq!(
            proposed(before, &[connect, ("system", "stats", "ask the OS for stats")]),
            "# Its broker.\n# twice\n# \"web\"\n# none\n\
             # Learned: network.connect tcp:10.0.2.2:8883: it tried to connect tcp 10.0.2.2:8883\n\
             # Learned: no network.listen tcp:80: not used in 3 runs\n\
             network: { connect: [\"tcp:10.0.2.2:8883\"] }\n\nsystem: [stats]\n"
        );
        assert_eq!(
            proposed("storage: { data: 1MiB } # kept\n", &[]),
            "# kept\n# Learned: no storage.data 1MiB: not used in 3 runs\n"
        );
        assert_eq!(
            proposed("storage: { data: 1MiB }\n", &[("storage.data", "64KiB", "make /data/x")]),
            "storage: { data: 1MiB }\n",
            "how much it may store is the author's decision"
        );
    }

    #[test]
    fn comment_is_found_outside_of_quotes_only() {
        assert_eq!(comment("a: \"x # y\" # z").as_deref(), Some("# z"));
        assert_eq!(comment("a: 'x # y'"), None);
        assert_eq!(comment("a: x#y"), None);
        assert_eq!(comment("  # all").as_deref(), Some("# all"));
    }
}
