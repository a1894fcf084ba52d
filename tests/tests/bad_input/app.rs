//! App manifests: fields, units, programs, paths.

use std::fs;
use std::os::unix::fs::symlink;

use crate::project::{APP, ARM, Project, X86_64, elf};

/// What stands in `apps/tool/nacre.yaml` instead, how it ends, what must be said.
type Case<'a> = (&'a str, &'a str, i32, &'a [&'a str]);

fn check(cases: &[Case<'_>]) {
    let project = Project::new();
    for (from, to, exit, texts) in cases {
        project.write("apps/tool/nacre.yaml", APP).change("apps/tool/nacre.yaml", from, to);
        project.build_refused(*exit, texts);
    }
}

#[test]
fn manifest_with_a_wrong_field_names_place_and_remedy() {
    check(&[
        (
            "limits:",
            "limts:",
            65,
            &["unknown field `limts`", "tool/nacre.yaml:6:1", "did you mean `limits`?"],
        ),
        ("memory:", "memroy:", 65, &["tool/nacre.yaml:6:11", "did you mean `memory`?"]),
        ("open-files", "open_files", 65, &["tool/nacre.yaml:6:", "did you mean `open-files`?"]),
        ("build: none", "build: nnoe", 65, &["tool/nacre.yaml:4:8", "none"]),
        ("app: org.example.tool", "app: Tool!", 65, &["tool/nacre.yaml:1:6"]),
        ("version: 1.0.0", "", 65, &["missing field `version`", "tool/nacre.yaml:1:1", "version: 1.0.0"]),
        ("build: none", "build: none\nsystem: [stat]", 65, &["tool/nacre.yaml:5:10", "stats"]),
        ("build: none", "build: none\ncritical: maybe", 65, &["tool/nacre.yaml:5:11"]),
        ("build: none", "build: none\nrestart: { backoff: 30s..1s }", 65, &["tool/nacre.yaml:5:"]),
        (
            "build: none",
            "build: none\napps: [org.example.none]",
            65,
            &["tool/nacre.yaml:5:8", "org.example.none", "hint:"],
        ),
    ]);
}

#[test]
fn manifest_with_a_wrong_unit_names_place_and_remedy() {
    check(&[
        ("memory: 1MiB", "memory: 1MB", 65, &["tool/nacre.yaml:6:19", "MiB"]),
        ("memory: 1MiB", "memory: 1", 65, &["tool/nacre.yaml:6:19", "hint:"]),
        ("memory: 1MiB", "memory: -1MiB", 65, &["tool/nacre.yaml:6:19"]),
        ("memory: 1MiB", "memory: 99999999999GiB", 65, &["tool/nacre.yaml:6:19"]),
        ("tasks: 2", "tasks: two", 65, &["tool/nacre.yaml:6:32"]),
        ("tasks: 2", "tasks: 0", 65, &["tool/nacre.yaml:6:32"]),
        ("cpu: 10%", "cpu: 10", 65, &["tool/nacre.yaml:6:40", "%"]),
        ("cpu: 10%", "cpu: [10%]", 65, &["tool/nacre.yaml:6:40"]),
        ("build: none", "build: none\nstorage: { data: 1potato }", 65, &["tool/nacre.yaml:5:18", "hint:"]),
        ("build: none", "build: none\nrestart: { backoff: soon }", 65, &["tool/nacre.yaml:5:21", "hint:"]),
    ]);
}

#[test]
fn manifest_that_asks_for_what_is_not_enforced_is_refused_with_the_reason() {
    check(&[
        (
            "build: none",
            "build: none\nevents: [update]",
            64,
            &["`update`", "tool/nacre.yaml:5:10", "is not updated yet"],
        ),
        ("build: none", "build: make", 65, &["tool/nacre.yaml:4:8", "build: [make]"]),
        // Both: what is mistyped must be put right before what is forbidden can be judged.
        ("build: none", "bulid: none\nevents: [update]", 65, &["`bulid`", "`update`"]),
    ]);
}

#[test]
fn devices_health_and_events_that_are_wrong_name_place_and_remedy() {
    check(&[
        (
            "build: none",
            "build: none\ndevices: [/dev/ttyS0]",
            65,
            &["`devices` must be a map", "nacre.yaml:5:10"],
        ),
        (
            "build: none",
            "build: none\ndevices: { gpio: [/dev/gpiochip0] }",
            65,
            &["not the name of a device", "nacre.yaml:5:19", "the board's file"],
        ),
        (
            "build: none",
            "build: none\ndevices: { gpio: [LDE1] }",
            65,
            &[
                "the board `qemu-armv7` has no GPIO line of this name",
                "nacre.yaml:5:19",
                "did you mean `LED1`?",
            ],
        ),
        (
            "build: none",
            "build: none\ndevices: { uart: [modem] }",
            65,
            &["has no UART of this name", "nacre.yaml:5:19", "it has: console2"],
        ),
        ("build: none", "build: none\nhealth: { hearbeat: 5s }", 65, &["did you mean `heartbeat`?"]),
        ("build: none", "build: none\nhealth: { heartbeat: 5 }", 65, &["did you mean `5s`?"]),
        ("build: none", "build: none\nhealth: { heartbeat: 1ms }", 65, &["nacre.yaml:5:22", "1s to 1h"]),
        ("build: none", "build: none\nevents: [shutdwn]", 65, &["did you mean `shutdown`?"]),
        ("build: none", "build: none\nmemory: { writable-executable: on }", 65, &["did you mean `true`?"]),
    ]);
}

#[test]
fn network_that_is_wrong_names_place_reason_and_remedy() {
    // What stands in the list, at which column of line 5, what must be said.
    let connect: [(&str, u32, &[&str]); 22] = [
        ("api.example.com:443", 22, &["has no protocol", "did you mean `tcp:api.example.com:443`?"]),
        ("tpc:api.example.com:443", 22, &["did you mean `tcp:api.example.com:443`?"]),
        ("icmp:api.example.com:1", 22, &["no known protocol", "known: tcp, udp"]),
        ("https://api.example.com/v1", 22, &["did you mean `tcp:api.example.com:443`?"]),
        ("tcp:api.example.com", 22, &["has no port", "like `tcp:api.example.com:443`"]),
        ("tcp:api.example.com:0", 22, &["no good port", "1 to 65535"]),
        ("tcp:api.example.com:65536", 22, &["no good port", "1 to 65535"]),
        ("tcp:Api.Example.com:443", 22, &["lower case", "did you mean `api.example.com`?"]),
        ("tcp:api_1.example.com:443", 22, &["not a host's name", "a-z, 0-9"]),
        ("tcp:api..com:443", 22, &["not a host's name", "a-z, 0-9"]),
        ("'tcp:*.example.com:443'", 22, &["wildcard", "list each name"]),
        ("'tcp:[2001:db8::1]:443'", 22, &["IPv6", "IPv4 only"]),
        ("tcp:2001:db8::1:443", 22, &["IPv6", "IPv4 only"]),
        ("tcp:localhost:80", 22, &["loopback", "`apps:`"]),
        ("tcp:127.0.0.1:80", 22, &["loopback", "`apps:`"]),
        ("tcp:100.115.92.2:80", 22, &["own apps", "`apps:`"]),
        ("udp:224.0.0.251:5353", 22, &["multicast", "one other machine"]),
        ("udp:255.255.255.255:9", 22, &["not the address", "one other machine"]),
        ("tcp:10.0.0.256:80", 22, &["not an IPv4 address", "`192.0.2.1`"]),
        ("udp:dns.example.com:53", 22, &["name server", "the OS resolves"]),
        ("tcp:a.example:1, tcp:a.example:1", 39, &["`network.connect[1]` is there twice", "remove one"]),
        ("443", 22, &["names no host", "like `tcp:api.example.com:443`"]),
    ];
    let listen: [(&str, u32, &[&str]); 6] = [
        ("8080", 21, &["has no protocol", "did you mean `tcp:8080`?"]),
        ("tcp:0.0.0.0:8080", 21, &["a port of this device", "did you mean `tcp:8080`?"]),
        ("tcp:0", 21, &["no good port", "1 to 65535"]),
        ("sctp:80", 21, &["no known protocol", "known: tcp, udp"]),
        ("udp:68", 21, &["the OS's own", "another port"]),
        ("tcp:80, tcp:80", 29, &["`network.listen[1]` is there twice", "remove one"]),
    ];
    let too_many =
        |entry: &dyn Fn(u32) -> String, count: u32| (1..=count).map(entry).collect::<Vec<_>>().join(", ");
    let many_remotes = too_many(&|port| format!("tcp:192.0.2.1:{port}"), 33);
    let many_ports = too_many(&|port| format!("tcp:{port}"), 9);
    let fields: [(String, u32, &[&str]); 5] = [
        (format!("{{ connect: [{many_remotes}] }}"), 21, &["33 elements, at most 32"]),
        (format!("{{ listen: [{many_ports}] }}"), 20, &["9 elements, at most 8"]),
        ("{}".to_owned(), 10, &["`network` is empty", "remove it"]),
        ("{ conect: [\"tcp:a.example:1\"] }".to_owned(), 12, &["did you mean `connect`?"]),
        ("[\"tcp:a.example:1\"]".to_owned(), 10, &["`network` must be a map", "hint:"]),
    ];
    let of_list = |name: &'static str| {
        move |(entries, column, texts): &(&str, u32, &'static [&'static str])| {
            (format!("{{ {name}: [{entries}] }}"), *column, *texts)
        }
    };
    let cases =
        connect.iter().map(of_list("connect")).chain(listen.iter().map(of_list("listen"))).chain(fields);
    let project = Project::new();
    for (network, column, texts) in cases {
        let line = format!("build: none\nnetwork: {network}");
        project.write("apps/tool/nacre.yaml", APP).change("apps/tool/nacre.yaml", "build: none", &line);
        let place = format!("tool/nacre.yaml:5:{column}");
        project.build_refused(65, &[texts, &[place.as_str()]].concat());
    }
}

#[test]
fn port_that_two_apps_want_is_refused_with_both_places() {
    let project = Project::new();
    let listen = "build: none\nnetwork: { listen: [\"tcp:443\", \"tcp:8080\"] }";
    project.change("apps/tool/nacre.yaml", "build: none", listen);
    fs::create_dir(project.path("apps/other")).expect("the folder is new");
    let other = APP.replace("org.example.tool", "org.example.other");
    project.write(
        "apps/other/nacre.yaml",
        other.replace("build: none", "build: none\nnetwork: { listen: [\"tcp:8080\"] }"),
    );
    project.write("apps/other/tool", elf(ARM, None));
    project.change("images/tiny.yaml", "[../apps/tool]", "[../apps/tool, ../apps/other]");
    project.build_refused(
        65,
        &[
            "`tcp:8080`: two apps of this image listen on this port",
            "--> apps/other/nacre.yaml:5:21",
            "`org.example.tool` listens on it as well, at apps/tool/nacre.yaml:5:32",
            "hint: give one of them another port",
        ],
    );
}

#[test]
fn manifest_with_a_path_that_climbs_out_is_refused() {
    check(&[
        (
            ": tool }",
            ": ../../boards/qemu-armv7.yaml }",
            65,
            &["climbs out", "tool/nacre.yaml:7:25", "hint:"],
        ),
        (": tool }", ": a/../../x }", 65, &["climbs out", "tool/nacre.yaml:7:25"]),
        (": tool }", ": /etc/passwd }", 65, &["absolute path", "tool/nacre.yaml:7:25"]),
        ("tool }", "tool, /etc/passwd: tool }", 65, &["is not below /app", "tool/nacre.yaml:7:31", "hint:"]),
        ("tool }", "tool, /app/../etc/x: tool }", 65, &["climbs out", "tool/nacre.yaml:7:31"]),
        ("[/app/bin/tool]", "[../tool]", 65, &["tool/nacre.yaml:5:7", "hint:"]),
        ("[/app/bin/tool]", "[/bin/sh]", 65, &["tool/nacre.yaml:5:7", "hint:"]),
    ]);
    let project = Project::new();
    project.change("apps/tool/nacre.yaml", "tool }", "tool, /app/key: link }");
    symlink("../../keys", project.path("apps/tool/link")).expect("the name is free");
    project.build_refused(65, &["leads out of the app's folder", "tool/nacre.yaml:7:41", "hint:"]);
    fs::remove_file(project.path("apps/tool/link")).expect("it is there");
    symlink("/etc/passwd", project.path("apps/tool/link")).expect("the name is free");
    project.build_refused(65, &["leads out of the app's folder", "tool/nacre.yaml:7:41"]);
}

#[test]
fn app_whose_program_is_missing_is_refused_at_its_line() {
    check(&[
        (": tool }", ": missing }", 66, &["missing", "tool/nacre.yaml:7:25", "hint:"]),
        ("[/app/bin/tool]", "[/app/bin/other]", 65, &["/app/bin/other", "tool/nacre.yaml:5:7", "hint:"]),
        ("build: none", "build: cargo", 66, &["Cargo.toml", "tool/nacre.yaml:4:8", "hint:"]),
    ]);
}

#[test]
fn app_whose_program_cannot_run_is_refused_with_the_reason() {
    let cases: [(Vec<u8>, &str, &str); 6] = [
        (elf(X86_64, None), "it is for x86_64, the board is armv7", "build it for the board"),
        (elf(3, None), "it is for 32-bit x86", "build it for the board"),
        (
            elf(ARM, Some("/lib/ld-linux-armhf.so.3")),
            "linked dynamically (it asks for `/lib/ld-linux-armhf.so.3`)",
            "musl",
        ),
        (b"#!/bin/sh\nexit 0\n".to_vec(), "not a complete ELF", "ELF programs only"),
        (Vec::new(), "not a complete ELF", "ELF programs only"),
        (elf(ARM, None)[..100].to_vec(), "ELF", "ELF programs only"),
    ];
    let project = Project::new();
    for (program, reason, remedy) in cases {
        project.write("apps/tool/tool", program);
        project.build_refused(65, &["`/app/bin/tool`", "tool/nacre.yaml:5:7", reason, remedy]);
    }
    // The real thing: a program of this machine.
    project.write("apps/tool/tool", fs::read("/bin/true").expect("coreutils"));
    project.build_refused(65, &["the board is armv7"]);
}

#[test]
fn app_from_sources_without_its_program_is_refused_with_those_that_are_there() {
    let project = Project::new();
    project.change("apps/tool/nacre.yaml", "build: none", "build: cargo");
    project.change("apps/tool/nacre.yaml", "files: { /app/bin/tool: tool }\n", "");
    let manifest = "[package]\nname = \"tool\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace]\n";
    let lock = "# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\nversion = 4\n\n[[package]]\nname = \"tool\"\nversion = \"1.0.0\"\n";
    project.write("apps/tool/Cargo.toml", manifest).write("apps/tool/Cargo.lock", lock);
    fs::create_dir(project.path("apps/tool/src")).expect("the folder is new");
    project.write("apps/tool/src/main.rs", "fn main() { let x: u8 = \"text\"; }\n");
    project.build_refused(65, &["tool", "mismatched types", "src/main.rs:1:25"]);
    project.write("apps/tool/src/main.rs", "fn main() {}\n");
    project.change("apps/tool/nacre.yaml", "[/app/bin/tool]", "[/app/bin/toool]");
    project.build_refused(
        66,
        &["`/app/bin/toool`", "tool/nacre.yaml:5:7", "programs in this app: /app/bin/tool"],
    );
}
