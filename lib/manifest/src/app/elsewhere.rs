//! Names that are fields of ours in another place, or of other people's files: what is meant by them.

/// What stands inside of another field.
const INSIDE: [(&str, &[&str]); 6] = [
    ("limits", &["tasks", "cpu", "open-files", "tmp"]),
    ("network", &["connect", "listen"]),
    ("restart", &["policy", "backoff"]),
    ("health", &["heartbeat"]),
    ("devices", &["gpio", "uart"]),
    ("storage", &["data"]),
];

/// The hint for a name at the top of a manifest that is no field there.
pub(super) fn hint(name: &str) -> Option<String> {
    if let Some((outer, _)) = INSIDE.iter().find(|(_, names)| names.contains(&name)) {
        return Some(format!("it stands inside of `{outer}`: `{outer}: {{ {name}: … }}`"));
    }
    if name == "writable-executable" {
        return Some("it stands inside of `memory`: `memory: { writable-executable: true }`".to_owned());
    }
    let hint = match name.to_ascii_lowercase().as_str() {
        "schemaversion" | "componentid" | "entrypoint" | "cmdargs" | "applicationtype" => {
            "it is a field of an Azure Sphere manifest, which `nacre app import` turns into one of Nacre"
        }
        "capabilities" | "permissions" => {
            "what an app may do is said by `network`, `devices`, `storage`, `system` and `apps`"
        }
        "name" | "id" | "component" => "did you mean `app: com.example.thermostat`?",
        "command" | "cmd" | "exec" | "execstart" | "args" | "program" => {
            "did you mean `run: [/app/bin/thermostat]`?"
        }
        "port" | "ports" | "expose" => "did you mean `network: { listen: [\"tcp:8080\"] }`?",
        "volume" | "volumes" | "disk" => "did you mean `storage: { data: 64KiB }`? it is found at /data",
        "env" | "environment" => "an app has no variables of its own: give it arguments, under `run`",
        "user" | "uid" | "group" => "remove it: each app has a uid of its own, which the device gives it",
        _ => return None,
    };
    Some(hint.to_owned())
}
