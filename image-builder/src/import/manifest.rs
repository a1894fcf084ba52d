//! The fields of an Azure Sphere manifest, in its schema 1.

use nacre_diag::{Report, did_you_mean};

use super::capabilities::{self, Around};
use super::draft::{Draft, Entry, Left};
use super::hardware::Hardware;
use super::identity::{self, FIELDS, Identity, Kind, Peer};
use super::json::{self, Field, shown};
use super::program;
use super::reading::{Reading, field, short};
use super::text::Text;

/// Reads a manifest.
pub(super) fn read(text: &Text, hardware: Option<&Hardware>, peers: &[Peer]) -> Result<Draft, Report> {
    let root = json::read(text)?;
    let mut reading = Reading::new(text);
    let reader = &mut reading;
    let Some(fields) = identity::fields(reader, &root) else { return reading.finish_some(None) };
    let mut left = Left::default();
    let mut notes = Vec::new();

    let own = identity::read(reader, &root, fields);
    let entry_point = identity::need(reader, &root, fields, "EntryPoint", "\"/bin/app\"");
    let program = entry_point.and_then(|node| program::entry_point(reader, node));
    let mut words = Vec::new();
    let mut can = capabilities::Read::default();
    for entry in fields {
        let is = |name: &str| entry.key.eq_ignore_ascii_case(name);
        if is("CmdArgs") {
            let nothing = Entry::new("/app/bin/program", "", "");
            let first = program.as_ref().map_or(&nothing, |(first, _)| first);
            words = program::arguments(reader, &entry.value, first, &mut left);
        } else if is("Capabilities") {
            if let Some(fields) = reader.map(&entry.value, "Capabilities") {
                let around = Around { own: own.as_ref(), hardware, peers };
                can = capabilities::read(reader, fields, &around, &mut left);
            }
        } else {
            rest(reader, entry, fields, own.as_ref(), &mut left, &mut notes);
        }
    }
    let draft = own.zip(program).map(|(own, (first, source))| Draft {
        app: Entry::new(own.id, "Name", format!("\"{}\"; ComponentId {}", short(&own.name), own.guid)),
        source,
        run: [first].into_iter().chain(words).collect(),
        data_kib: can.data_kib,
        grants: can.grants,
        notes,
        left_out: left.0,
    });
    reading.finish_some(draft)
}

/// Fields that come to no line.
fn rest(
    reading: &mut Reading<'_>,
    entry: &Field,
    fields: &[Field],
    own: Option<&Identity>,
    left: &mut Left,
    notes: &mut Vec<(String, String)>,
) {
    let node = &entry.value;
    let mut note = |name: &str, why: &str| {
        notes.push((name.to_owned(), format!("{}: {why}", shown(&node.to_json()))));
    };
    let is = |name: &str| entry.key.eq_ignore_ascii_case(name);
    if is("SchemaVersion") {
        note("SchemaVersion", "the form of that manifest");
    } else if is("MallocVersion") {
        note("MallocVersion", "a program for Nacre brings its own allocator");
    } else if is("ApplicationType") {
        match own.map(|own| own.kind) {
            None => {}
            Some(Kind::Default) => note("ApplicationType", "a program of the OS, as all of Nacre's apps are"),
            Some(Kind::RealTimeCapable) => left.push(
                "ApplicationType",
                node,
                "a real-time app runs without an OS on a core of its own, and Nacre runs programs of Linux",
                "port it to Linux, or leave it on a microcontroller that an app talks to over a serial port \
                 (`devices.uart`)",
            ),
            Some(Kind::Debugger) => left.push(
                "ApplicationType",
                node,
                "Nacre has no app that debugs others: none may trace another one",
                "run the program on the host under a debugger",
            ),
        }
    } else if is("TargetBetaApis") {
        left.push(
            "TargetBetaApis",
            node,
            "it names interfaces of Azure Sphere's SDK, which Nacre doesn't have",
            "port the code that uses them",
        );
    } else if is("Policy") {
        left.push(
            "Policy",
            node,
            "groups and Linux capabilities were for Azure Sphere's own apps; an app of Nacre has none",
            "remove the code that needs them",
        );
    } else if !FIELDS.iter().any(|name| is(name)) {
        unknown(reading, entry, fields, left);
    }
}

fn unknown(reading: &mut Reading<'_>, entry: &Field, fields: &[Field], left: &mut Left) {
    // A field that is missing has been found under this name already.
    let needed = ["SchemaVersion", "Name", "ComponentId", "EntryPoint"];
    let free = FIELDS.iter().copied().filter(|name| field(fields, name).is_none());
    match did_you_mean(&entry.key, free) {
        Some(near) if needed.contains(&near) => {}
        Some(near) => {
            let message = format!("`{}` is no field of a manifest", short(&entry.key));
            reading.bad(&entry.key_at, message, format!("did you mean `{near}`?"));
        }
        None => left.push(
            &short(&entry.key),
            &entry.value,
            "it is no field of an Azure Sphere manifest that is known here",
            "see whether the app needs it at all",
        ),
    }
}
