//! What Nacre accepts, asked of the code that decides it.

use std::collections::BTreeSet;

use nacre_diag::{Diagnostic, ExitCode, Report};
use nacre_manifest::app::{self, FILE_NAME};

use super::draft::{Draft, Entry};

/// Why a line is not accepted, and what its reader would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) hint: String,
}

/// Whether a manifest with this line is accepted.
pub(super) fn line(line: &str) -> Result<(), Refusal> {
    refusal(&format!(
        "app: azure-sphere.probe\nversion: 1.0.0\nbuild: cargo\nrun: [/app/bin/probe]\n{line}\n"
    ))
}

/// Whether a manifest that runs this is accepted; the words are YAML.
pub(super) fn run(words: &[String], source: &str) -> Result<(), Refusal> {
    let program = words.first().map_or("", String::as_str);
    let words = words.join(", ");
    refusal(&format!(
        "app: azure-sphere.probe\nversion: 1.0.0\nbuild: none\nfiles: {{ {program}: {source} }}\nrun: [{words}]\n"
    ))
}

fn refusal(text: &str) -> Result<(), Refusal> {
    let Err(report) = app::parse(text, FILE_NAME) else { return Ok(()) };
    let found = report.entries().first();
    let message = found.map_or("", |found| found.message.as_str());
    // The field's name before it is that of the question.
    let reason = message.split_once("`: ").map_or(message, |(_, reason)| reason).to_owned();
    let hint = found.and_then(|found| found.hints.first()).cloned().unwrap_or_default();
    Err(Refusal { reason, hint })
}

/// Holds the finished text against what was meant: it must be accepted, and say the same.
///
/// # Errors
/// Exit code 1: it is this program's fault.
pub(super) fn check(yaml: &str, draft: &Draft) -> Result<(), Report> {
    let fault =
        |what: &str| Diagnostic::error(ExitCode::Internal, format!("the manifest that was made {what}"));
    let parsed = app::parse(yaml, FILE_NAME).map_err(|report| {
        let cause = report.entries().first().map(Diagnostic::one_line).unwrap_or_default();
        Report::from(fault("is not accepted").with_cause(cause))
    })?;
    let made = &parsed.manifest;
    let network = made.network.as_ref();
    let connect = network.map_or(&[][..], |network| &network.connect).iter().map(ToString::to_string);
    let listen = network.map_or(&[][..], |network| &network.listen).iter().map(ToString::to_string);
    let events = made.events.iter().map(|event| format!("{event:?}").to_lowercase());
    let peers = made.peers.iter().map(ToString::to_string);
    let grants = &draft.grants;
    let same = made.app.as_str() == draft.app.value
        && made.run.iter().eq(draft.run.iter().map(|word| &word.value))
        && made.data_bytes == draft.data_kib.as_ref().map_or(0, |(kib, _)| kib * 1024)
        && is(connect, &grants.connect)
        && is(listen, &grants.listen)
        && is(made.devices.gpio.iter().cloned(), &grants.gpio)
        && is(made.devices.uart.iter().cloned(), &grants.uart)
        && is(peers, &grants.apps)
        && is(events, &grants.events)
        && made.system.is_empty()
        && !made.writable_executable;
    if same { Ok(()) } else { Err(fault("says something else than was meant").into()) }
}

fn is(made: impl Iterator<Item = String>, meant: &[Entry]) -> bool {
    made.collect::<BTreeSet<_>>() == meant.iter().map(|entry| entry.value.clone()).collect()
}
