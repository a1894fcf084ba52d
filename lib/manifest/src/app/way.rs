//! `build` and `package`: how an app's programs are made.

use nacre_diag::did_you_mean;

use super::{Build, bounds};
use crate::yaml::{Fields, Node, Reading, Value, shown};

/// The ways that have a name.
const WAYS: [&str; 3] = ["cargo", "c", "none"];

/// Reads `build`, and `package`, which belongs to it.
pub(super) fn read(reading: &mut Reading<'_>, fields: &Fields<'_>) -> Option<Build> {
    let node = fields.need(reading, "build", "build: cargo")?;
    let package = fields.get("package").and_then(|node| package(reading, node));
    let build = way(reading, node)?;
    if let Build::Cargo { .. } = build {
        return Some(Build::Cargo { package });
    }
    if let Some(node) = fields.get("package") {
        let way = match &build {
            Build::C => "`build: c`",
            Build::None => "`build: none`",
            _ => "a command under `build`",
        };
        reading.bad(node, format!("`package` has no meaning with {way}"), "remove it");
    }
    Some(build)
}

fn way(reading: &mut Reading<'_>, node: &Node) -> Option<Build> {
    match &node.value {
        Value::Text(text) => match text.as_str() {
            "cargo" => return Some(Build::Cargo { package: None }),
            "c" => return Some(Build::C),
            "none" => return Some(Build::None),
            text => not_a_way(reading, node, text),
        },
        Value::List(words) => return command(reading, node, words).map(Build::Command),
        _ => reading.wrong_kind(
            node,
            "`cargo`, `c`, `none` or a list of words",
            "a command is a list, like `build: [make, thermostat]`",
        ),
    }
    None
}

/// A word that is none of ours: a slip, or a command that is not written as one.
fn not_a_way(reading: &mut Reading<'_>, node: &Node, text: &str) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let hint = match (did_you_mean(text, WAYS), words.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        // What a shell would make of it, nobody guesses.
        (None, [_, ..]) if !text.contains(['"', '\'', '$', '&', '|', ';', '<', '>', '*', '`', '\\', ',']) => {
            format!("known: cargo, c, none; a command is a list of words: `build: [{}]`", words.join(", "))
        }
        (None, []) => "known: cargo, c, none".to_owned(),
        (None, _) => {
            "known: cargo, c, none; a command is a list of words, and a shell is one: `build: [sh, -c, …]`"
                .to_owned()
        }
    };
    reading.bad(node, format!("`build`: unknown value `{}`", shown(text)), hint);
}

fn command(reading: &mut Reading<'_>, node: &Node, words: &[Node]) -> Option<Vec<String>> {
    if words.is_empty() {
        reading.bad(
            node,
            "`build` is empty",
            "name a program and its arguments, like `build: [make, thermostat]`",
        );
        return None;
    }
    if words.len() > bounds::MAX_RUN {
        let message = format!("`build` has {} words, at most {} are allowed", words.len(), bounds::MAX_RUN);
        reading.bad(node, message, "put the commands into a script beside the manifest, and name that");
        return None;
    }
    let mut command = Vec::with_capacity(words.len());
    for word in words {
        let Some(text) = reading.text(word) else { continue };
        if text.contains('\0') {
            reading.bad(word, format!("`{}` has a zero byte in it", word.label), "remove it");
        } else if command.is_empty() && text.trim().is_empty() {
            reading.bad(word, format!("`{}` names no program", word.label), "write it like `make`");
        } else {
            command.push(text.to_owned());
        }
    }
    let bytes: usize = command.iter().map(String::len).sum();
    if bytes > bounds::MAX_RUN_BYTES {
        let message = format!("`build` has {bytes} bytes, at most {} are allowed", bounds::MAX_RUN_BYTES);
        reading.bad(node, message, "put the commands into a script beside the manifest, and name that");
    }
    (command.len() == words.len()).then_some(command)
}

/// A cargo package's name: what `cargo new` takes.
fn package(reading: &mut Reading<'_>, node: &Node) -> Option<String> {
    let text = reading.text(node)?;
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || text.len() > 64 || text.starts_with('-') || !text.chars().all(good) {
        let message = format!("`package`: `{}` is not the name of a package", shown(text));
        reading.bad(node, message, "it has only letters, digits, `-` and `_`");
        return None;
    }
    Some(text.to_owned())
}
