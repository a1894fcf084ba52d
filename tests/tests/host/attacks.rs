//! The attacks of the catalogue, one at a time, without a witness: an attack that has nothing to show was stopped, and
//! by which error is told. In the VM the witness stops at nothing and sees the same (tests/tests/vm/attacks.rs): all
//! are stopped there. The table in docs/HOST-RUN.md has both; `NACRE_BLESS=1` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use nacre_tests::nacre::{judge, root, text};
use nix::errno::Errno;
use serde_json::Value;

/// A family that is about what this machine doesn't have, a cgroup and a quota: what its attacks take is bounded in the
/// VM, and here it would be the machine's.
const LEFT_OUT: &str = "resources";

/// Of that family, what takes nothing.
const OF_IT: [&str; 2] = ["kernel-log-flood", "frozen-system"];

/// A family whose manifest has a network.
const NETWORKED: &str = "network";

/// A network that leads nowhere, in which all of it happens: what the VM's card has, at a cable that ends here.
const NETWORK: &str = "set -e
ip link set lo up
ip link add eth0 type veth peer name far
ip address add 10.0.2.15/24 broadcast 10.0.2.255 dev eth0
ip link set far up
ip link set eth0 up
ip route add default via 10.0.2.2
ip neighbour add 10.0.2.2 lladdr 02:00:00:00:00:02 dev eth0
exec \"$@\"";

/// Attacks that win where there is no sandbox, and hurt nobody there.
const CONTROL: [&str; 6] = [
    "nested-user-namespace",
    "clone3-user-namespace",
    "writable-executable",
    "code-by-mprotect",
    "program-without-a-file",
    "personality",
];

/// An attack that is about what comes after the app's end.
const LEAVES_A_PROCESS: &str = "survives-the-stop";

/// Begins and ends the table.
const MARKS: [&str; 2] = ["<!-- attacks -->", "<!-- end -->"];

fn attacker() -> std::path::PathBuf {
    judge(env!("CARGO"), &["build", "--quiet", "--package", "nacre-attacker"]);
    let test = std::env::current_exe().expect("a path");
    test.parent().and_then(std::path::Path::parent).expect("target/debug").join("attacker")
}

/// Name and family of those that are tried here.
fn catalogue() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("tests/attacker/catalogue.json")).expect("the catalogue");
    let all: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let word = |attack: &Value, name: &str| attack[name].as_str().expect("text").to_owned();
    let all = all.iter().map(|attack| (word(attack, "name"), word(attack, "family")));
    all.filter(|(name, family)| family != LEFT_OUT || OF_IT.contains(&name.as_str())).collect()
}

/// A command in a network namespace of its own.
fn nowhere(command: &Command) -> Command {
    let mut alone = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        alone.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    alone.args(["--net", "sh", "-c", NETWORK, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => alone.env(name, value),
            None => alone.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        alone.current_dir(folder);
    }
    alone
}

/// How an attack ended: 0 is what it has something to show for.
fn strike(mut command: Command, name: &str, number: usize, victim: u32) -> i32 {
    // Each has its own token: what one leaves in its data is in no other's way.
    let token = format!("{number:012x}");
    command.args(["strike", name, &token, &format!("victim={victim}"), &format!("appmgr={victim}")]);
    let output = command.output().expect("it starts");
    let said = text(&output);
    // That it did not start is no verdict.
    assert!(!said.contains("error:"), "{name}: {said}");
    output.status.code().unwrap_or(-1)
}

#[test]
fn attacks_are_stopped_as_in_the_vm_and_the_document_says_by_what() {
    let state = tempfile::tempdir().unwrap();
    let mut victim = Command::new("sleep").arg("600").spawn().expect("sleep");
    let mut table =
        String::from("| attack | in the VM | here | what it met here |\n| --- | --- | --- | --- |\n");
    let mut won = Vec::new();
    for (number, (name, family)) in catalogue().into_iter().enumerate() {
        let networked = family == NETWORKED;
        let mut command = crate::app_run(state.path());
        command.arg(if networked { "tests/attacker/networked.yaml" } else { "tests/attacker/nacre.yaml" });
        command.arg("--");
        if networked {
            command = nowhere(&command);
        }
        let code = strike(command, &name, number, victim.id());
        let (verdict, met) = match code {
            // Whether it succeeds is seen after its end.
            0 if name == LEAVES_A_PROCESS && !crate::goes_on("/app/bin/attacker") => {
                ("stopped", "the end of its PID namespace".to_owned())
            }
            0 => ("won", "nothing".to_owned()),
            // The attack's own process ended so (tests/attacker/src/attack.rs).
            200.. => ("stopped", format!("signal {}", code - 200)),
            code => ("stopped", format!("{:?}", Errno::from_raw(code))),
        };
        if verdict == "won" {
            won.push(name.clone());
        }
        let _ = writeln!(table, "| {name} | stopped | {verdict} | {met} |");
    }
    victim.kill().expect("killed");
    victim.wait().expect("waited for");
    let path = root().join("docs/HOST-RUN.md");
    let text = fs::read_to_string(&path).expect("the document");
    let (before, rest) = text.split_once(MARKS[0]).expect("its first mark");
    let (known, after) = rest.split_once(MARKS[1]).expect("its second mark");
    if std::env::var_os("NACRE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, format!("{before}{}\n{table}{}{after}", MARKS[0], MARKS[1])).expect("written");
    } else {
        assert_eq!(known.trim(), table.trim(), "docs/HOST-RUN.md is stale: NACRE_BLESS=1 writes it anew");
    }
    for name in won {
        let named = format!("`{name}`");
        let reason = text.lines().any(|line| line.starts_with("- ") && line.contains(&named));
        assert!(reason, "{name} wins here and the document doesn't say why");
    }
}

#[test]
fn attacks_of_the_control_win_without_the_sandbox() {
    let attacker = attacker();
    for name in CONTROL {
        let mut command = Command::new(&attacker);
        command.env("NACRE_APP", "org.nacre.attacker");
        assert_eq!(strike(command, name, 1, 1), 0, "{name} proves nothing");
    }
}
