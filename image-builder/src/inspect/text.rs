//! What is in an image, for people: at most 80 columns.

use super::app_report::AppReport;
use super::check::{Finding, Verdict, explain};
use super::report::{Report, SlotReport, Standing};
use crate::board_file;
use crate::device::table::columns;
use crate::run::console::printable;

/// Columns of a line.
const WIDTH: usize = 80;

/// One line for each thing that was verified.
pub fn findings(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let (word, detail) = match &finding.verdict {
            Verdict::Slot(verified) => {
                let slot = &verified.slot;
                let keys = if verified.key_set.development { ", development keys" } else { "" };
                ("good", format!("{} {} for {}{keys}", slot.image, slot.version, slot.board))
            }
            Verdict::Package(package) => {
                let payload = &package.payload;
                ("good", format!("{} {} for {}", payload.component, payload.version, payload.arch))
            }
            Verdict::Board(_) => ("good", "the board's description that was signed".to_owned()),
            Verdict::Bad { part, error } => ("BAD", format!("{part}: {}", explain(&**error))),
            Verdict::Unchecked(error) => ("not checked", explain(&**error)),
        };
        out.push_str(&hang(&printable(format!("{word}: {}: {detail}", finding.name()).as_bytes()), 2));
    }
    out
}

/// The whole report.
pub fn report(report: &Report) -> String {
    let mut sections = Vec::new();
    if let Some(slot) = &report.slot {
        sections.extend(slot_sections(slot));
    }
    if let Some(found) = &report.board_file {
        sections.push(hang(&format!("{}: verified: {}", board_file::FILE_NAME, standing(found)), 2));
    }
    if !report.partitions.is_empty() {
        let heading = row(["PARTITION", "OFFSET", "BYTES", "GUID"]);
        let rows = report.partitions.iter().map(|partition| {
            [
                printable(partition.name.as_bytes()),
                partition.offset.to_string(),
                partition.bytes.to_string(),
                partition.uuid.clone(),
            ]
        });
        sections.push(columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()));
    }
    sections.extend(report.apps.iter().map(app));
    sections.join("\n")
}

fn slot_sections(slot: &SlotReport) -> Vec<String> {
    let mut summary = String::new();
    let mut line = |name: &str, value: &str| summary.push_str(&hang(&format!("{name:<15}{value}"), 15));
    line("image", &format!("{} {} (rollback index {})", slot.image, slot.version, slot.rollback_index));
    line("verified", &standing(&slot.standing));
    line("profile", slot.profile);
    line("board", &format!("{} ({})", slot.board, slot.arch));
    line("board sha256", &slot.board_digest);
    let signed_by = slot.keys.signed_by.as_deref().unwrap_or("not known");
    line("signed by", signed_by);
    if slot.keys.development {
        line("", "WARNING: development keys, which anybody may hold and which protect nothing");
    }
    if !slot.layers_off.is_empty() {
        line(
            "WARNING",
            &format!("sandbox layers are off: {}", printable(slot.layers_off.join(", ").as_bytes())),
        );
    }
    if slot.control_kernel {
        line("WARNING", "control kernel: open on purpose to attacks, for tests only");
    }
    match slot.network {
        Some(true) => line("network", "yes: netd is there for apps whose manifest has `network`"),
        Some(false) => {
            line("network", "none: no netd is there, so no app with `network` can be added to this image")
        }
        None => {}
    }
    if !slot.time_servers.is_empty() {
        line("time servers", &printable(slot.time_servers.join(", ").as_bytes()));
    }
    line("slot", &format!("{} of {} bytes used", slot.slot_bytes_without_apps, slot.slot_bytes));
    for app in &slot.critical {
        line("critical app", &format!("{}, rollback index {} or higher", app.app, app.min_rollback_index));
    }
    line("command line", &slot.command_line);

    let heading = row(["PART", "OFFSET", "BYTES"]);
    let parts =
        slot.parts.iter().map(|part| [part.part.to_owned(), part.offset.to_string(), part.bytes.to_string()]);
    let parts = columns(&std::iter::once(heading).chain(parts).collect::<Vec<_>>());

    let heading = row(["KEY", "ROLE"]);
    let roles = [("os", &slot.keys.os), ("app", &slot.keys.app), ("capability", &slot.keys.capability)];
    let keys = roles.iter().flat_map(|(role, ids)| {
        ids.iter().map(move |id| {
            let revoked = if slot.keys.revoked.contains(id) { ", revoked" } else { "" };
            [id.clone(), format!("{role}{revoked}")]
        })
    });
    let keys = columns(&std::iter::once(heading).chain(keys).collect::<Vec<_>>());
    vec![summary, parts, keys, files(slot)]
}

fn files(slot: &SlotReport) -> String {
    if let Some(problem) = &slot.files_problem {
        return hang(&format!("files: {}", printable(problem.as_bytes())), 2);
    }
    let heading = row(["MODE", "OWNER", "BYTES", "FILE"]);
    let rows = slot.files.iter().map(|file| {
        let arrow = file.target.as_ref().map(|target| format!(" -> {target}")).unwrap_or_default();
        let bytes = if file.kind == "file" { file.bytes.to_string() } else { file.kind.to_owned() };
        let path = printable(format!("{}{arrow}", file.path).as_bytes());
        [file.mode.clone(), format!("{}:{}", file.uid, file.gid), bytes, path]
    });
    columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

fn app(app: &AppReport) -> String {
    let file = printable(app.file.as_bytes());
    let Some(content) = &app.content else {
        let text = format!("{file}: {} bytes, verified: {}", app.package_bytes, standing(&app.standing));
        return hang(&text, 2);
    };
    let mut out = hang(
        &format!(
            "{} {} (rollback index {}, {}): {file}, {} bytes, image {} bytes",
            content.app,
            content.version,
            content.rollback_index,
            content.arch,
            app.package_bytes,
            content.image_bytes,
        ),
        2,
    );
    out.push_str(&hang(&format!("  signed by {}", content.signed_by), 4));
    for sentence in &content.may {
        out.push_str(&hang(&format!("  {}", printable(sentence.as_bytes())), 4));
    }
    out.push_str(&hang(
        &format!(
            "  may make only the system calls that its signed filter allows ({} instructions)",
            content.filter_instructions
        ),
        4,
    ));
    out
}

fn standing(standing: &Standing) -> String {
    match &standing.problem {
        None => "yes, with a root key that is trusted here".to_owned(),
        Some(problem) => format!("NO: {}", printable(problem.as_bytes())),
    }
}

fn row<const N: usize>(cells: [&str; N]) -> [String; N] {
    cells.map(str::to_owned)
}

/// Breaks a text between words, later lines indented. A word that fits no line is broken where it must be.
pub(crate) fn hang(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut line = String::new();
    let mut length = 0;
    for (n, word) in text.split(' ').enumerate() {
        let mut rest = word;
        let count = word.chars().count();
        if n > 0 {
            if length + 1 + count <= WIDTH {
                line.push(' ');
                length += 1;
            } else if length > indent {
                finish(&mut out, &mut line, &mut length, indent);
            }
        }
        while length + rest.chars().count() > WIDTH && length < WIDTH {
            let room = WIDTH - length;
            let at = rest.char_indices().nth(room).map_or(rest.len(), |(at, _)| at);
            let (head, tail) = rest.split_at(at);
            line.push_str(head);
            finish(&mut out, &mut line, &mut length, indent);
            rest = tail;
        }
        line.push_str(rest);
        length += rest.chars().count();
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

fn finish(out: &mut String, line: &mut String, length: &mut usize, indent: usize) {
    out.push_str(line.trim_end());
    out.push('\n');
    *line = " ".repeat(indent);
    *length = indent;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hang_keeps_every_word_and_no_line_is_too_long() {
        let long = "x".repeat(170);
        let text = format!("name   {} {long} end", "word ".repeat(40).trim_end());
        let out = hang(&text, 7);
        assert!(out.lines().all(|line| line.chars().count() <= WIDTH), "{out}");
        assert!(out.lines().skip(1).all(|line| line.starts_with("       ")), "{out}");
        let joined: String = out.split_whitespace().collect();
        assert_eq!(joined, text.split_whitespace().collect::<String>());
        assert_eq!(hang("short", 4), "short\n");
        assert_eq!(hang("", 4), "\n");
    }
}
