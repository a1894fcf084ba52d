//! A device's answers: tables for people, JSON lines for programs.
//!
//! What a device says is untrusted text: nothing in it reaches the terminal as a command.

use nacre_wire::channel::{Info, LogLine, Package};
use nacre_wire::denial::{Denial, Remedy};
use nacre_wire::log::shown;
use nacre_wire::status::{AppState, AppStatus};
use serde_json::{Value, json};

use super::table::{columns, time};
use crate::run::console::printable;

/// The running image, for people.
pub fn info(info: &Info) -> String {
    let stats = &info.stats;
    let profile = if info.development { "development" } else { "production" };
    let keys =
        if info.development_keys { "development keys, which protect nothing" } else { "the owner's keys" };
    let row = |name: &str, value: String| [name.to_owned(), value];
    let sideloading = match (&info.capability, info.development) {
        (_, true) => "allowed: a development image".to_owned(),
        (None, false) => "refused without a device capability".to_owned(),
        (Some(left), false) => {
            let boots =
                if left.boots == 1 { "this boot".to_owned() } else { format!("{} boots", left.boots) };
            format!("allowed for {boots} and {} by a capability", time(u64::from(left.uptime_s) * 1000))
        }
    };
    columns(&[
        row("image", format!("{} {}", clean(&info.image), clean(&info.version))),
        row("board", clean(&info.board)),
        row("kernel", clean(&info.kernel)),
        row("slot", clean(&info.slot)),
        row("profile", profile.to_owned()),
        row("signed with", keys.to_owned()),
        row("device", info.device.as_ref().map_or_else(|| "-".to_owned(), |id| hex(id))),
        row("nonce", info.nonce.as_ref().map_or_else(|| "-".to_owned(), |nonce| hex(nonce))),
        row("sideloading", sideloading),
        row("uptime", time(stats.uptime_ms)),
        row("CPU busy", percent(stats.cpu_busy_ms, stats.cpu_total_ms)),
        row("memory", format!("{} KiB free of {} KiB", stats.memory_available_kib, stats.memory_total_kib)),
    ])
}

/// The running image, for programs.
pub fn info_json(info: &Info) -> Value {
    json!({
        "image": info.image,
        "version": info.version,
        "board": info.board,
        "kernel": info.kernel,
        "slot": info.slot,
        "development": info.development,
        "development_keys": info.development_keys,
        "device": info.device.as_ref().map(|id| hex(id)),
        "nonce": info.nonce.as_ref().map(|nonce| hex(nonce)),
        "capability": info.capability.map(|left| json!({ "boots": left.boots, "uptime_s": left.uptime_s })),
        "uptime_ms": info.stats.uptime_ms,
        "cpu_busy_ms": info.stats.cpu_busy_ms,
        "cpu_total_ms": info.stats.cpu_total_ms,
        "memory_total_kib": info.stats.memory_total_kib,
        "memory_available_kib": info.stats.memory_available_kib,
    })
}

/// Every app, for people.
pub fn apps(apps: &[AppStatus]) -> String {
    let heading = ["APP", "VERSION", "STATE", "SINCE", "RESTARTS", "MEMORY"].map(str::to_owned);
    let rows = apps.iter().map(|app| {
        let memory = if app.memory_kib == 0 { "-".to_owned() } else { format!("{} KiB", app.memory_kib) };
        [
            clean(&app.app),
            clean(&app.version),
            state(app.state).to_owned(),
            time(app.since_ms),
            app.restarts.to_string(),
            memory,
        ]
    });
    let mut out = columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>());
    for app in apps {
        if let Some(end) = &app.last_end {
            out.push_str(&format!("{}: last run ended: {}\n", clean(&app.app), clean(end)));
        }
    }
    out
}

/// One app, for programs.
pub fn app_json(app: &AppStatus) -> Value {
    json!({
        "app": app.app,
        "version": app.version,
        "state": state_name(app.state),
        "since_ms": app.since_ms,
        "restarts": app.restarts,
        "memory_kib": app.memory_kib,
        "last_end": app.last_end,
    })
}

/// Every installed package, for people.
pub fn packages(packages: &[Package]) -> String {
    let heading = ["APP", "VERSION", "INDEX", "SIZE", "STORAGE", "STATE"].map(str::to_owned);
    let kib = |bytes: u64| if bytes == 0 { "-".to_owned() } else { format!("{} KiB", bytes.div_ceil(1024)) };
    let rows = packages.iter().map(|package| {
        [
            clean(&package.app),
            clean(&package.version),
            package.rollback_index.to_string(),
            kib(package.image_bytes),
            kib(package.data_bytes),
            state(package.state).to_owned(),
        ]
    });
    columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

/// One package, for programs.
pub fn package_json(package: &Package) -> Value {
    json!({
        "app": package.app,
        "version": package.version,
        "rollback_index": package.rollback_index,
        "image_bytes": package.image_bytes,
        "data_bytes": package.data_bytes,
        "state": state_name(package.state),
    })
}

/// A log line, for people: as on the console.
pub fn log(line: &LogLine) -> String {
    let source = line.source.rsplit('.').next().unwrap_or(&line.source);
    let (s, ms) = (line.uptime_ms / 1000, line.uptime_ms % 1000);
    format!("[{s:5}.{ms:03}] {}: {}", clean(source), clean(&shown(&line.text, line.detail.as_ref())))
}

/// A log line, for programs. `level` is null and `fields` empty for what an app wrote to its standard output.
pub fn log_json(line: &LogLine) -> Value {
    let fields = line.detail.iter().flat_map(|detail| &detail.fields);
    let fields: serde_json::Map<String, Value> =
        fields.map(|field| (field.key.clone(), Value::from(field.value.as_str()))).collect();
    json!({
        "number": line.number,
        "uptime_ms": line.uptime_ms,
        "source": line.source,
        "text": line.text,
        "level": line.detail.as_ref().map(|detail| detail.level.name()),
        "fields": fields,
    })
}

/// A denial, for people: as on the console.
pub fn event(denial: &Denial) -> String {
    let app = denial.app.rsplit('.').next().unwrap_or(&denial.app);
    let (s, ms) = (denial.uptime_ms / 1000, denial.uptime_ms % 1000);
    format!("[{s:5}.{ms:03}] {}: {}", clean(app), clean(&denial.to_string()))
}

/// A denial, for programs. `remedy` has the manifest's app, field and line, or the reason why none allows it.
pub fn event_json(denial: &Denial) -> Value {
    let remedy = match &denial.remedy {
        Remedy::Manifest { app, field, line } => json!({ "app": app, "field": field, "line": line }),
        Remedy::Never { reason } => json!({ "never": reason }),
    };
    json!({
        "number": denial.number,
        "uptime_ms": denial.uptime_ms,
        "app": denial.app,
        "layer": denial.layer.name(),
        "tried": denial.tried,
        "remedy": remedy,
        "more": denial.more,
        "left_out": denial.left_out,
    })
}

fn state(state: AppState) -> &'static str {
    match state {
        AppState::Running => "running",
        AppState::Backoff => "backoff",
        AppState::Stopping => "stopping",
        AppState::Stopped => "stopped",
        AppState::Done => "done",
        AppState::Failed => "failed",
        AppState::Refused => "refused",
        AppState::Waiting => "waiting for the network",
    }
}

/// One word.
fn state_name(of: AppState) -> &'static str {
    if of == AppState::Waiting { "waiting" } else { state(of) }
}

/// A time for people, from milliseconds: `12s`, `1h 30m`.
pub(crate) fn span(ms: u64) -> String {
    time(ms)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn clean(text: &str) -> String {
    printable(text.as_bytes())
}

fn percent(part: u64, whole: u64) -> String {
    match part.saturating_mul(100).checked_div(whole) {
        Some(percent) => format!("{percent}%"),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use nacre_wire::log::{Detail, Field, Level};

    use super::*;
    use nacre_wire::status::Stats;

    fn status() -> AppStatus {
        AppStatus {
            app: "org.nacre.recorder".into(),
            version: "1.0.0".into(),
            state: AppState::Running,
            restarts: 2,
            memory_kib: 412,
            since_ms: 62_000,
            last_end: Some("signal 11 (SIGSEGV)".into()),
        }
    }

    #[test]
    fn apps_table_shows_state_and_last_end() {
        let idle = AppStatus { memory_kib: 0, last_end: None, state: AppState::Done, ..status() };
        assert_eq!(
            apps(&[status(), idle]),
            "\
APP                 VERSION  STATE    SINCE   RESTARTS  MEMORY
org.nacre.recorder  1.0.0    running  1m 02s  2         412 KiB
org.nacre.recorder  1.0.0    done     1m 02s  2         -
org.nacre.recorder: last run ended: signal 11 (SIGSEGV)
"
        );
        assert_eq!(app_json(&status())["state"], "running");
    }

    #[test]
    fn info_says_which_keys_and_fits_the_terminal() {
        let stats = Stats {
            uptime_ms: 12_000,
            cpu_busy_ms: 3000,
            cpu_total_ms: 12_000,
            memory_total_kib: 20_000,
            memory_available_kib: 9_000,
        };
        let running = Info {
            image: "demo".into(),
            version: "0.1.0".into(),
            board: "qemu-armv7".into(),
            kernel: "6.12.117".into(),
            slot: "a".into(),
            development: true,
            development_keys: true,
            stats,
            device: Some([0xab; 32]),
            nonce: Some([0xcd; 16]),
            capability: None,
        };
        let text = info(&running);
        assert!(text.contains("signed with  development keys, which protect nothing\n"), "{text}");
        assert!(text.contains("CPU busy     25%\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(text.contains(&format!("device       {}\n", "ab".repeat(32))), "{text}");
        let left = nacre_wire::channel::Lasting { boots: 2, uptime_s: 90 };
        for (capability, line) in [
            (None, "sideloading  refused without a device capability\n"),
            (Some(left), "sideloading  allowed for 2 boots and 1m 30s by a capability\n"),
        ] {
            let production = Info { development: false, capability, ..running.clone() };
            assert!(info(&production).contains(line), "{}", info(&production));
        }
        let none = Info { stats: Stats { cpu_total_ms: 0, ..stats }, ..running };
        assert!(info(&none).contains("CPU busy     -\n"));
    }

    #[test]
    fn log_line_looks_like_the_console_and_cannot_command_the_terminal() {
        let line = LogLine {
            number: 1,
            uptime_ms: 12_345,
            source: "org.nacre.reporter".into(),
            text: "\u{1b}[2Jhello\u{7}".into(),
            detail: None,
        };
        assert_eq!(log(&line), "[   12.345] reporter: hello\\u{7}");
        let detail = Detail {
            level: Level::Warning,
            fields: vec![Field { key: "peer".into(), value: "\u{1b}[2J".into() }],
        };
        let line = LogLine { text: "no samples".into(), detail: Some(detail), ..line };
        assert_eq!(log(&line), "[   12.345] reporter: warning: no samples peer=");
        let json = log_json(&line);
        assert_eq!((&json["level"], &json["fields"]["peer"]), (&json!("warning"), &json!("\u{1b}[2J")));
    }

    #[test]
    fn event_for_people_is_a_line_of_the_console_and_for_programs_has_the_parts() {
        let mut denial = Denial {
            number: 7,
            uptime_ms: 12_345,
            app: "com.example.thermostat".into(),
            layer: nacre_wire::denial::Layer::PacketFilter,
            tried: "connect tcp 10.0.2.2:8883\u{1b}[2J".into(),
            remedy: Remedy::manifest("com.example.thermostat", "network.connect", "tcp:10.0.2.2:8883"),
            more: 0,
            left_out: 0,
        };
        assert_eq!(
            event(&denial),
            "[   12.345] thermostat: denied: connect tcp 10.0.2.2:8883 (packet filter) — add \"tcp:10.0.2.2:8883\" under network.connect in thermostat/nacre.yaml"
        );
        let found = event_json(&denial);
        assert_eq!(
            (&found["layer"], &found["remedy"]["line"]),
            (&json!("packet-filter"), &json!("tcp:10.0.2.2:8883"))
        );
        denial.remedy = Remedy::never("so");
        assert_eq!(event_json(&denial)["remedy"], json!({ "never": "so" }));
    }
}
