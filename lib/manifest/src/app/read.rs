//! The fields of an app manifest.

use nacre_diag::Report;

use super::files::{self, AppFile};
use super::{
    AppSource, BIN_FOLDER, Build, Places, amounts, bounds, devices, elsewhere, network, notices, way,
};
use crate::component::{ComponentId, meant_by};
use crate::device::{Manifest, SystemGrant};
use crate::path::{folder_of, image_path};
use crate::yaml::{Fields, Node, Reading, Value};

const FIELDS: [&str; 18] = [
    "app",
    "version",
    "rollback-index",
    "build",
    "package",
    "run",
    "critical",
    "restart",
    "limits",
    "memory",
    "storage",
    "system",
    "apps",
    "network",
    "devices",
    "health",
    "events",
    "files",
];

pub(super) fn read(text: &str, file: &str) -> Result<AppSource, Report> {
    let (mut reading, root) = Reading::start(text, file)?;
    let reader = &mut reading;
    let fields = reader.fields_or(&root, &FIELDS, elsewhere::hint);

    let app = component(reader, &fields);
    let version = version(reader, &fields);
    let rollback_index = fields
        .get("rollback-index")
        .and_then(|node| reader.number(node, 0..=u64::MAX))
        .unwrap_or(bounds::ROLLBACK_INDEX);
    let build = way::read(reader, &fields);
    let files = fields.get("files").map(|node| files::read(reader, node)).unwrap_or_default();
    let run = run(reader, &fields, build.as_ref(), &files);
    let critical = fields.get("critical").and_then(|node| reader.boolean(node)).unwrap_or(false);
    let restart = amounts::restart(reader, &fields);
    let limits = amounts::limits(reader, &fields);
    let data_bytes = amounts::storage(reader, &fields);
    let system = system(reader, &fields);
    let (peers, peer_places) = peers(reader, &fields, app.as_ref());
    let (network, network_places) = network::read(reader, &fields);
    let (devices, device_places) = devices::read(reader, &fields);
    let health = notices::health(reader, &fields);
    let events = notices::events(reader, &fields);
    let writable_executable = notices::writable_executable(reader, &fields);

    if !reading.is_clean() {
        return Err(reading.into_report());
    }
    let program = fields.get("run").and_then(|node| match &node.value {
        Value::List(items) => items.first(),
        _ => None,
    });
    let limit_place =
        |name: &str| reading.place_or_file(inner(&fields, "limits", name).or(fields.get("app")));
    let places = Places {
        app: reading.place_or_file(fields.get("app")),
        build: reading.place_or_file(fields.get("build")),
        program: reading.place_or_file(program),
        peers: peer_places,
        listen: network_places.listen,
        connect: network_places.connect,
        system: reading.place_or_file(fields.get("system")),
        events: reading.place_or_file(fields.get("events")),
        health: reading.place_or_file(fields.get("health")),
        devices: device_places,
        memory: limit_place("memory"),
        tasks: limit_place("tasks"),
        data: reading.place_or_file(fields.get("storage")),
    };
    let manifest = (|| {
        Some(Manifest {
            app: app?,
            version: version?,
            rollback_index,
            run: run?,
            critical,
            restart,
            limits,
            data_bytes,
            system,
            peers,
            network,
            health,
            devices,
            events,
            writable_executable,
        })
    })();
    let source = manifest.zip(build).map(|(manifest, build)| AppSource {
        file: file.to_owned(),
        folder: folder_of(file),
        manifest,
        build,
        files,
        places,
    });
    reading.finish(source)
}

/// A field of a field.
fn inner<'n>(fields: &Fields<'n>, outer: &str, name: &str) -> Option<&'n Node> {
    match &fields.get(outer)?.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == name).map(|entry| &entry.value),
        _ => None,
    }
}

fn component(reading: &mut Reading<'_>, fields: &Fields<'_>) -> Option<ComponentId> {
    let node = fields.need(reading, "app", "app: com.example.thermostat")?;
    reading.parsed(node, &component_hint(node))
}

fn component_hint(node: &Node) -> String {
    let Value::Text(text) = &node.value else { return String::new() };
    meant_by(text).map(|id| format!("did you mean `{id}`?")).unwrap_or_default()
}

fn version(reading: &mut Reading<'_>, fields: &Fields<'_>) -> Option<String> {
    let node = fields.need(reading, "version", "version: 1.0.0")?;
    super::version_text(reading, node)
}

fn run(
    reading: &mut Reading<'_>,
    fields: &Fields<'_>,
    build: Option<&Build>,
    files: &[AppFile],
) -> Option<Vec<String>> {
    const EXAMPLE: &str = "run: [/app/bin/thermostat]";
    let node = fields.need(reading, "run", EXAMPLE)?;
    let words = reading.list(node, bounds::MAX_RUN, EXAMPLE);
    let Some(first) = words.first() else {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            reading.bad(node, "`run` is empty", format!("write it like `{EXAMPLE}`"));
        }
        return None;
    };
    let mut run = Vec::with_capacity(words.len());
    for (index, word) in words.iter().enumerate() {
        let Some(text) = reading.text(word) else { continue };
        // The program, word 0, is a path: checked below.
        if index > 0 && text.contains('\0') {
            reading.bad(word, format!("`{}` has a zero byte in it", word.label), "");
        }
        run.push(text.to_owned());
    }
    let bytes: usize = run.iter().map(String::len).sum();
    if bytes > bounds::MAX_RUN_BYTES {
        let message = format!("`run` has {bytes} bytes, at most {} are allowed", bounds::MAX_RUN_BYTES);
        reading.bad(node, message, "");
    }
    if let Value::Text(program) = &first.value {
        check_program(reading, first, program, build, files);
    }
    (run.len() == words.len()).then_some(run)
}

/// The program must be something that the image will hold.
fn check_program(
    reading: &mut Reading<'_>,
    node: &Node,
    program: &str,
    build: Option<&Build>,
    files: &[AppFile],
) {
    if let Err(slip) = image_path(program) {
        let hint = match program.rsplit('/').next().unwrap_or_default() {
            "sh" | "bash" | "ash" | "busybox" | "env" => {
                "there is no shell on the device: name a program of the app".to_owned()
            }
            name if !name.is_empty()
                && name == program
                && image_path(&format!("/app/bin/{name}")).is_ok() =>
            {
                format!("programs are in {BIN_FOLDER}: did you mean `{BIN_FOLDER}/{name}`?")
            }
            _ => slip.hint,
        };
        reading.bad(node, format!("`run[0]`: {}", slip.message), hint);
        return;
    }
    let built = program.strip_prefix(BIN_FOLDER).and_then(|rest| rest.strip_prefix('/'));
    let Some(name) = built.filter(|name| !name.contains('/')) else {
        let message = format!("`run[0]`: `{program}` is not a program of this app");
        let name = program.rsplit('/').next().unwrap_or_default();
        reading.bad(node, message, format!("programs are in {BIN_FOLDER}: write `{BIN_FOLDER}/{name}`"));
        return;
    };
    if build == Some(&Build::None) && !files.iter().any(|file| file.image_path == program) {
        let message = format!("`run[0]`: `{program}` is not in the app's image");
        reading.bad(node, message, format!("nothing is built: add `{program}: {name}` under `files`"));
    }
}

fn system(reading: &mut Reading<'_>, fields: &Fields<'_>) -> Vec<SystemGrant> {
    let words = [("stats", SystemGrant::Stats), ("apps-status", SystemGrant::AppsStatus)];
    let mut grants = Vec::new();
    let Some(node) = fields.get("system") else { return grants };
    for item in reading.list(node, words.len() * 2, "system: [stats]") {
        let Some(grant) = reading.word(item, &words) else { continue };
        if grants.contains(&grant) {
            reading.bad(item, format!("`{}` is there twice", item.label), "remove one of them");
        } else {
            grants.push(grant);
        }
    }
    grants
}

fn peers(
    reading: &mut Reading<'_>,
    fields: &Fields<'_>,
    own: Option<&ComponentId>,
) -> (Vec<ComponentId>, Vec<nacre_diag::Place>) {
    let (mut peers, mut places) = (Vec::new(), Vec::new());
    let Some(node) = fields.get("apps") else { return (peers, places) };
    for item in reading.list(node, bounds::MAX_PEERS, "apps: [com.example.logger]") {
        let Some(peer) = reading.parsed::<ComponentId>(item, &component_hint(item)) else { continue };
        if Some(&peer) == own {
            reading.bad(
                item,
                format!("`{}`: an app needs no grant to talk to itself", item.label),
                "remove it",
            );
        } else if peers.contains(&peer) {
            reading.bad(item, format!("`{}`: `{peer}` is there twice", item.label), "remove one of them");
        } else {
            places.push(reading.place(item));
            peers.push(peer);
        }
    }
    (peers, places)
}
