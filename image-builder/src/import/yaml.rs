//! The text of `nacre.yaml`, with the origin of each line behind it.

use super::draft::{Draft, Entry};
use super::json::shown;
use super::report::{groups, wrapped};
use super::text::{is_hidden, visible};
use super::{LeftOut, Line};

/// Column of the comments, if the line leaves room for them.
const COMMENT: usize = 40;

/// Bytes of comments about what is left out: with the rest it fits what `lib/manifest` reads (64 KiB).
const MAX_COMMENTS: usize = 24 * 1024;

/// Characters of a comment behind a line.
const MAX_NOTE: usize = 200;

const DEFAULT: &str = "default";

#[derive(Default)]
struct Writer {
    text: String,
    lines: Vec<Line>,
}

impl Writer {
    fn line(&mut self, yaml: &str, from: &str, note: &str) {
        let origin = if note.is_empty() { from.to_owned() } else { format!("{from}: {note}") };
        let origin = visible(&super::text::cut(&origin, MAX_NOTE));
        let gap = COMMENT.saturating_sub(yaml.chars().count()).max(2);
        self.text.push_str(&format!("{yaml}{}# {origin}\n", " ".repeat(gap)));
        self.lines.push(Line { yaml: yaml.to_owned(), from: from.to_owned() });
    }

    fn items(&mut self, indent: &str, entries: &[Entry]) {
        for entry in entries {
            self.line(&format!("{indent}- {}", quoted(&entry.value)), &entry.from, &entry.note);
        }
    }

    /// Lists below one field, those that have something in them.
    fn lists(&mut self, name: &str, lists: &[(&str, &[Entry])]) {
        let lists: Vec<_> = lists.iter().filter(|(_, entries)| !entries.is_empty()).collect();
        if lists.is_empty() {
            return;
        }
        let all: Vec<String> = lists.iter().map(|(_, entries)| origin(entries)).collect();
        self.line(&format!("{name}:"), &all.join(", "), "");
        for ((field, entries), from) in lists.iter().zip(&all) {
            self.line(&format!("  {field}:"), from, "");
            self.items("    ", entries);
        }
    }

    fn list(&mut self, name: &str, entries: &[Entry]) {
        if !entries.is_empty() {
            self.line(&format!("{name}:"), &origin(entries), "");
            self.items("  ", entries);
        }
    }
}

/// The fields that a list comes from, each once, without the place in their own list.
fn origin(entries: &[Entry]) -> String {
    let mut fields: Vec<&str> = Vec::new();
    for from in entries.iter().flat_map(|entry| entry.from.split(", ")) {
        let field = from.split('[').next().unwrap_or(from);
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    fields.join(", ")
}

/// Writes a manifest. `file` is the Azure Sphere manifest's name.
pub(super) fn write(draft: &Draft, file: &str) -> (String, Vec<Line>) {
    let mut out = Writer::default();
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    out.text
        .push_str(&format!("# From the Azure Sphere manifest {}, by `nacre app import`.\n", visible(name)));
    out.text
        .push_str("# Behind each line is the field that it comes from; `default` is said to begin with.\n\n");
    let Entry { value, from, note } = &draft.app;
    out.line(&format!("app: {value}"), from, note);
    out.line("version: 1.0.0", DEFAULT, "Azure Sphere's manifests have no version");
    out.line(
        "build: none",
        DEFAULT,
        "the program is compiled before, static and for the board; or write `c` or `cargo`",
    );
    out.line("files:", "EntryPoint", "");
    let program = draft.run.first().map_or("", |program| &program.value);
    let here = "the program is to lie at this path beside this file";
    out.line(&format!("  {}: {}", quoted(program), quoted(&draft.source)), "EntryPoint", here);
    out.list("run", &draft.run);
    let why = "Azure Sphere started an app again however it had ended; here 5 times in 10m, unless `limit` says more";
    out.line("restart: { policy: always }", DEFAULT, why);
    let budget = "256 KiB of RAM and 1 MiB of code in flash were Azure Sphere's; measure, then change it";
    out.line("limits: { memory: 1280KiB }", DEFAULT, budget);
    if let Some((_, Entry { value, from, note })) = &draft.data_kib {
        out.line(&format!("storage: {{ data: {value} }}"), from, note);
    }
    let grants = &draft.grants;
    out.lists("network", &[("connect", &grants.connect), ("listen", &grants.listen)]);
    out.lists("devices", &[("gpio", &grants.gpio), ("uart", &grants.uart)]);
    out.list("apps", &grants.apps);
    out.list("events", &grants.events);
    if !draft.notes.is_empty() {
        out.text.push_str("\n# These need no line:\n");
        for (from, note) in &draft.notes {
            let line = format!("# {from} {}", visible(note));
            out.text.push_str(&format!("{line}\n"));
            out.lines.push(Line { yaml: line, from: from.clone() });
        }
    }
    left_out(&mut out.text, &draft.left_out);
    (out.text, out.lines)
}

/// What is left out, as comments.
fn left_out(out: &mut String, left: &[LeftOut]) {
    if left.is_empty() {
        return;
    }
    out.push_str("\n# Left out:\n");
    let mut comments = String::new();
    let mut told = 0;
    for group in groups(left) {
        let mut text = String::new();
        for left in group {
            text.push_str(&format!("# - {}: {}\n", visible(&left.from), shown(&left.value)));
        }
        for line in group.first().map(wrapped).unwrap_or_default() {
            text.push_str(&format!("#   {line}\n"));
        }
        if comments.len() + text.len() > MAX_COMMENTS {
            let rest = left.len() - told;
            comments.push_str(&format!("# - {rest} more, which `nacre app import` lists\n"));
            break;
        }
        comments.push_str(&text);
        told += group.len();
    }
    out.push_str(&comments);
}

/// A text as a value of YAML.
pub(super) fn quoted(text: &str) -> String {
    const WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "null", "nan"];
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') && text.chars().all(good);
    if is_word && text.len() > 1 && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if is_hidden(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
