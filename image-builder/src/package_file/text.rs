//! Packages for people: at most 80 columns, and all of it readable without colour.

use nacre_diag::Colour;

use super::changes::{Changes, FieldChange, Side};
use super::files::AppFile;
use super::known_keys::KeyStanding;
use super::report::{Report, Statement};
use crate::device::table::columns;
use crate::inspect::text::hang;
use crate::run::console::printable;

const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// Columns that names of values take.
const NAME_WIDTH: usize = 15;

/// What is in a package.
pub fn report(report: &Report, colour: Colour) -> String {
    let mut head = lines(&title(&report.statement), colour);
    let mut line = |name: &str, value: &str, code: &str| {
        head.push_str(&paint(&named(name, value), code, colour));
    };
    line("file", &format!("{}, {} bytes", report.file, report.package_bytes), "");
    match &report.problem {
        None => line("verified", "yes, with an app key that is trusted here", GREEN),
        Some(problem) => line("verified", &format!("NO: {problem}"), RED),
    }
    if let Some(signer) = &report.signer {
        let value = if report.verified { key(signer) } else { format!("{} (not trusted)", signer.key) };
        line("signed by", &value, "");
        if report.verified && signer.development {
            line("", "WARNING: development keys, which anybody may hold and which protect nothing", YELLOW);
        }
    }
    let mut sections = vec![head + &technical(&report.statement, colour)];
    sections.extend(sentences(&report.statement, colour));
    sections.push(match &report.files_problem {
        Some(problem) => section("FILES", std::slice::from_ref(problem), "", colour),
        None => files(&report.files, colour),
    });
    if !report.files_odd.is_empty() {
        sections.push(section("ODD FILES", &report.files_odd, YELLOW, colour));
    }
    sections.join("\n")
}

/// What somebody signs: everything that can be said of a package without its files.
pub fn statement(statement: &Statement, colour: Colour) -> String {
    let head = lines(&title(statement), colour) + &technical(statement, colour);
    let mut sections = vec![head];
    sections.extend(sentences(statement, colour));
    sections.join("\n")
}

/// A key with what it is.
pub fn key(standing: &KeyStanding) -> String {
    format!("{}, {}", standing.key, standing.describe())
}

/// A name and its value, the later lines of it below its first.
pub fn named(name: &str, value: &str) -> String {
    hang(&printable(format!("{name:<NAME_WIDTH$}{value}").as_bytes()), NAME_WIDTH)
}

fn title(statement: &Statement) -> [(&'static str, String); 4] {
    [
        ("app", statement.app.clone()),
        ("version", statement.version.clone()),
        ("rollback index", statement.rollback_index.to_string()),
        ("architecture", statement.arch.to_owned()),
    ]
}

fn lines(values: &[(&str, String)], colour: Colour) -> String {
    values.iter().map(|(name, value)| paint(&named(name, value), "", colour)).collect()
}

fn technical(statement: &Statement, colour: Colour) -> String {
    let mut out = named("program", &format!("`{}`", statement.run.join(" ")));
    out.push_str(&named("image", &format!("{} bytes, fs-verity digest", statement.image_bytes)));
    out.push_str(&named("", &statement.image_digest));
    let filter = &statement.filter;
    out.push_str(&named("filter", &format!("{} instructions, SHA-256", filter.instructions)));
    out.push_str(&named("", &filter.sha256));
    if !filter.matches_permissions {
        let warning = "WARNING: not the filter that this nacre makes for these permissions; it decides which \
                       system calls pass";
        out.push_str(&paint(&named("", warning), YELLOW, colour));
    }
    out
}

fn sentences(statement: &Statement, colour: Colour) -> Vec<String> {
    let permissions: Vec<String> = statement.permissions.iter().chain(&statement.withheld).cloned().collect();
    let all = [("PERMISSIONS", &permissions), ("LIMITS", &statement.limits), ("CONDUCT", &statement.conduct)];
    all.into_iter().map(|(heading, said)| section(heading, said, "", colour)).collect()
}

/// A heading, and sentences below it.
fn section(heading: &str, said: &[String], code: &str, colour: Colour) -> String {
    let mut out = paint(&format!("{heading}\n"), BOLD, colour);
    for sentence in said {
        out.push_str(&paint(&hang(&printable(format!("  {sentence}").as_bytes()), 4), code, colour));
    }
    out
}

fn files(files: &[AppFile], colour: Colour) -> String {
    let heading = ["MODE", "BYTES", "FILE"].map(str::to_owned);
    let rows = files.iter().map(|file| {
        let arrow = file.target.as_ref().map(|target| format!(" -> {target}")).unwrap_or_default();
        let bytes = if file.kind == "file" { file.bytes.to_string() } else { file.kind.to_owned() };
        [file.mode.clone(), bytes, printable(format!("{}{arrow}", file.path).as_bytes())]
    });
    let table = columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>());
    match table.split_once('\n') {
        Some((heading, rows)) => paint(&format!("{heading}\n"), BOLD, colour) + rows,
        None => table,
    }
}

/// What changed between two packages. Nothing when nothing did.
pub fn changes(changes: &Changes, colour: Colour) -> String {
    if changes.identical {
        return String::new();
    }
    let mut head = paint(&side('-', &changes.old), RED, colour);
    head.push_str(&paint(&side('+', &changes.new), GREEN, colour));
    for warning in &changes.warnings {
        head.push_str(&paint(&hang(&printable(format!("! {warning}").as_bytes()), 2), YELLOW, colour));
    }
    let marked = |mark: char, said: &[String]| -> Vec<String> {
        said.iter().map(|sentence| format!("{mark} {sentence}")).collect()
    };
    let mut sections = vec![head];
    if changes.permissions_gained.is_empty() && changes.permissions_lost.is_empty() {
        sections.push(section("PERMISSIONS", &["The same.".to_owned()], "", colour));
    }
    for (heading, mark, said, code) in [
        ("PERMISSIONS GAINED", '+', &changes.permissions_gained, YELLOW),
        ("PERMISSIONS LOST", '-', &changes.permissions_lost, ""),
    ] {
        if !said.is_empty() {
            sections.push(section(heading, &marked(mark, said), code, colour));
        }
    }
    for (heading, fields) in [("LIMITS CHANGED", &changes.limits), ("ALSO CHANGED", &changes.fields)] {
        if !fields.is_empty() {
            let width = fields.iter().map(|change| change.field.chars().count()).max().unwrap_or(0);
            let said: Vec<String> = fields.iter().map(|change| from_to(change, width)).collect();
            sections.push(section(heading, &said, "", colour));
        }
    }
    if !changes.files.is_empty() {
        sections.push(changed_files(changes, colour));
    }
    if changes.limits.is_empty()
        && changes.fields.is_empty()
        && changes.permissions_gained.is_empty()
        && changes.permissions_lost.is_empty()
        && changes.files.is_empty()
    {
        let said = ["Nothing that is signed; the files are not the same to the last byte.".to_owned()];
        sections.push(section("ALSO CHANGED", &said, "", colour));
    }
    sections.join("\n")
}

fn side(mark: char, side: &Side) -> String {
    let verified = match &side.problem {
        None => "verified".to_owned(),
        Some(problem) => format!("NOT VERIFIED: {problem}"),
    };
    let Side { path, app, version, rollback_index, .. } = side;
    let text =
        format!("{mark}{mark}{mark} {path}: {app} {version} (rollback index {rollback_index}), {verified}");
    hang(&printable(text.as_bytes()), 4)
}

fn from_to(change: &FieldChange, width: usize) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    format!("{:<width$}  {} -> {}", change.field, value(&change.from), value(&change.to))
}

fn changed_files(changes: &Changes, colour: Colour) -> String {
    let found = &changes.files;
    let describe = |file: &AppFile| match file.kind {
        "file" => format!("{}, {} bytes", file.mode, file.bytes),
        kind => format!("{} {}", kind, file.mode),
    };
    let mut out = paint("FILES\n", BOLD, colour);
    let mut line = |mark: char, text: String, code: &str| {
        out.push_str(&paint(&hang(&printable(format!("  {mark} {text}").as_bytes()), 4), code, colour));
    };
    for file in &found.removed {
        line('-', format!("{}  {}", file.path, describe(file)), RED);
    }
    for file in &found.added {
        line('+', format!("{}  {}", file.path, describe(file)), GREEN);
    }
    for file in &found.changed {
        let (from, to) = (describe(&file.from), describe(&file.to));
        let what = match (from == to, file.content) {
            (true, true) => format!("{to}, other content"),
            (true, false) => format!("{to}, leads elsewhere"),
            (false, _) => format!("{from} -> {to}"),
        };
        line('!', format!("{}  {what}", file.path), "");
    }
    if let Some(problem) = &found.problem {
        line('!', problem.clone(), "");
    }
    out
}

/// Paints each line by itself, so that whatever cuts the text leaves no colour behind.
fn paint(text: &str, code: &str, colour: Colour) -> String {
    if colour == Colour::Off || code.is_empty() {
        return text.to_owned();
    }
    text.lines().map(|line| format!("\x1b[{code}m{line}\x1b[0m\n")).collect()
}
