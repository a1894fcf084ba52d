//! The apps of the two images, and what each field makes of its attempt.

use serde_json::{Value, json};

/// What an attempt comes to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// It says one of these.
    Says(&'static [&'static str]),
    /// What it says begins so.
    Begins(&'static str),
    /// It is a figure of no more than this.
    AtMost(u64),
    /// It is a figure of no less.
    AtLeast(u64),
    /// The app is ended in the middle of it, and the log has this.
    Ended(&'static str),
}

/// Where the line comes from that allows it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Line {
    /// From the denial's event: of this layer, and for this field.
    Event { layer: &'static str, field: &'static str },
    /// There is no event: the field is stated with this value.
    Stated { field: &'static str, value: &'static str },
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// Name of the test.
    pub(crate) name: &'static str,
    /// The app that tries it.
    pub(crate) app: &'static str,
    /// The attempt.
    pub(crate) attempt: &'static str,
    /// How it ends without the field.
    pub(crate) denied: End,
    /// What allows it.
    pub(crate) line: Line,
    /// How it ends then.
    pub(crate) allowed: End,
}

const SUCCEEDED: End = End::Says(&["succeeded"]);

const fn told(
    name: &'static str,
    (app, attempt): (&'static str, &'static str),
    denied: End,
    (layer, field): (&'static str, &'static str),
) -> Field {
    Field { name, app, attempt, denied, line: Line::Event { layer, field }, allowed: SUCCEEDED }
}

const fn silent(
    name: &'static str,
    (app, attempt): (&'static str, &'static str),
    denied: End,
    (field, value): (&'static str, &'static str),
) -> Field {
    Field { name, app, attempt, denied, line: Line::Stated { field, value }, allowed: SUCCEEDED }
}

/// All of them.
pub(crate) const FIELDS: &[Field] = &[
    told(
        "limits_memory",
        ("memory", "memory"),
        End::Ended("killed: out of memory"),
        ("limit", "limits.memory"),
    ),
    told("limits_tasks", ("tasks", "tasks"), End::Says(&["EAGAIN"]), ("limit", "limits.tasks")),
    Field {
        allowed: End::AtLeast(30),
        ..silent("limits_cpu", ("cpu", "cpu"), End::AtMost(15), ("limits.cpu", "100%"))
    },
    silent("limits_open_files", ("files", "open-files"), End::Says(&["EMFILE"]), ("limits.open-files", "32")),
    silent("limits_tmp", ("files", "tmp"), End::Says(&["ENOSPC"]), ("limits.tmp", "128KiB")),
    silent("storage_data_amount", ("files", "data"), End::Says(&["EDQUOT"]), ("storage.data", "128KiB")),
    told(
        "storage_data",
        ("data", "data"),
        End::Says(&["EACCES", "EROFS", "EPERM"]),
        ("landlock", "storage.data"),
    ),
    told("system_stats", ("asks", "stats"), End::Begins("denied: "), ("app-manager", "system")),
    told("system_apps_status", ("asks", "apps-status"), End::Begins("denied: "), ("app-manager", "system")),
    told("apps", ("asks", "call"), End::Begins("denied: "), ("app-manager", "apps")),
    told("events", ("asks", "events"), End::Begins("denied: "), ("app-manager", "events")),
    told("health", ("asks", "beat"), End::Begins("denied: "), ("app-manager", "health.heartbeat")),
    told("devices_gpio", ("devices", "gpio"), End::Begins("denied: "), ("app-manager", "devices.gpio")),
    told("devices_uart", ("devices", "uart"), End::Begins("denied: "), ("app-manager", "devices.uart")),
    told(
        "network_connect_port",
        ("network", "connect-tcp"),
        End::Says(&["EACCES"]),
        ("landlock", "network.connect"),
    ),
    told(
        "network_connect_machine",
        ("machine", "connect-tcp"),
        End::Says(&["EHOSTUNREACH"]),
        ("packet-filter", "network.connect"),
    ),
    told(
        "network_connect_udp",
        ("machine", "connect-udp"),
        End::Says(&["EHOSTUNREACH"]),
        ("packet-filter", "network.connect"),
    ),
    told("network_listen", ("network", "listen-tcp"), End::Says(&["EACCES"]), ("landlock", "network.listen")),
    told(
        "memory_writable_executable",
        ("code", "code"),
        End::Says(&["EPERM", "EACCES"]),
        ("seccomp", "memory.writable-executable"),
    ),
];

/// An app, and its manifest without the fields in question.
pub(crate) fn apps(open: u16, listen: u16) -> Vec<(&'static str, Value)> {
    let host = format!("10.0.2.2:{open}");
    let (tcp, udp) = (format!("connect-tcp={host}"), format!("connect-udp={host}"));
    let (listens, elsewhere) = (format!("listen-tcp={listen}"), format!("tcp:192.0.2.1:{open}"));
    let limits = |memory: &str, cpu: &str| json!({ "memory": memory, "tasks": 2, "cpu": cpu, "open-files": 16, "tmp": "16KiB" });
    vec![
        app("memory", &["memory=1200"], json!({ "limits": limits("1MiB", "50%") })),
        app("tasks", &["tasks=3"], json!({})),
        app("cpu", &["pause=10", "cpu=4"], json!({ "limits": limits("1MiB", "10%") })),
        app(
            "files",
            &["open-files=24", "tmp=64", "data=64"],
            json!({ "storage": { "data": "32KiB" }, "limits": limits("2MiB", "50%") }),
        ),
        app("data", &["data=32"], json!({})),
        app("asks", &["stats", "apps-status", "events", "beat=2", "call=org.nacre.peer"], json!({})),
        app("peer", &["answer=3600"], json!({})),
        app("devices", &["gpio=LED1", "uart=console2"], json!({})),
        app("network", &[&tcp, &listens], json!({ "network": { "connect": [format!("udp:{host}")] } })),
        app("machine", &[&tcp, &udp], json!({ "network": { "connect": [elsewhere] } })),
        app("code", &["code"], json!({})),
    ]
}

/// An app with the least, and these fields beside it.
pub(crate) fn app(name: &'static str, run: &[&str], more: Value) -> (&'static str, Value) {
    let run = [&["/app/bin/fieldprobe"][..], run].concat();
    let mut manifest = json!({
        "app": format!("org.nacre.{name}"),
        "version": "0.1.0",
        "build": "none",
        "run": run,
        "files": { "/app/bin/fieldprobe": "fieldprobe" },
        "restart": { "policy": "never" },
        "limits": { "memory": "1MiB", "tasks": 2, "cpu": "50%", "open-files": 16, "tmp": "16KiB" },
    });
    for (key, value) in more.as_object().expect("a map") {
        manifest[key] = value.clone();
    }
    (name, manifest)
}
