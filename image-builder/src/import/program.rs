//! EntryPoint and CmdArgs: what is executed.

use super::accepts::{self, Refusal};
use super::draft::{Entry, Left};
use super::json::Node;
use super::reading::{Reading, short};
use super::yaml::quoted;

/// The program: where it is in the image, and where beside the manifest it lies.
pub(super) fn entry_point(reading: &mut Reading<'_>, node: &Node) -> Option<(Entry, String)> {
    let text = reading.text(node, "EntryPoint")?;
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let source = parts.join("/");
    let program = format!("/app/bin/{}", parts.last().copied().unwrap_or_default());
    if let Err(Refusal { reason, hint }) = accepts::run(&[quoted(&program)], &quoted(&source)) {
        let message = format!("`EntryPoint`: `{}` is not the path of a program", short(text));
        let hint = if hint.is_empty() { reason } else { hint };
        reading.bad(&node.at, message, format!("write it like `/bin/app` ({hint})"));
        return None;
    }
    Some((Entry::new(program, "EntryPoint", ""), source))
}

/// The words behind it: all or none, as some of them would mean something else.
pub(super) fn arguments(
    reading: &mut Reading<'_>,
    node: &Node,
    program: &Entry,
    left: &mut Left,
) -> Vec<Entry> {
    let mut words = Vec::new();
    for (index, item) in reading.list(node, "CmdArgs").unwrap_or_default().iter().enumerate() {
        let from = format!("CmdArgs[{index}]");
        words.extend(reading.text(item, &from).map(|text| Entry::new(text, &from, "")));
    }
    if !reading.is_clean() {
        return words;
    }
    let run: Vec<String> = [program].into_iter().chain(&words).map(|word| quoted(&word.value)).collect();
    match accepts::run(&run, "program") {
        Ok(()) => words,
        Err(Refusal { reason, .. }) => {
            let instead = "give the app fewer or shorter ones, or a file with its settings (`files`)";
            left.push("CmdArgs", node, format!("Nacre takes no such arguments: {reason}"), instead);
            Vec::new()
        }
    }
}
