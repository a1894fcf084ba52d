//! Whom an app reaches: what its manifest names, and nobody else. The same attempts in three images: with every
//! layer; as root without its sandbox, so that the packet filter stands alone; and without that as well, where
//! they arrive, or prove nothing.

mod host;
mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nacre_tests::image::{Board, demo_on};
use nacre_tests::nacre::judge;
use nacre_tests::vm::Vm;
use regex::Regex;
use serde_json::Value;

use host::Host;

/// Everything around an app but its namespaces and the packet filter.
const SANDBOX: [&str; 6] = ["uid", "user-namespace", "capabilities", "no-new-privs", "landlock", "seccomp"];

/// What a reject by the packet filter looks like: "communication administratively prohibited" (RFC 1812).
const REJECTED: &str = "EHOSTUNREACH";

/// What came of it all.
#[derive(Debug)]
struct Tried {
    /// By app and attempt, how it ended.
    ends: BTreeMap<(String, String), String>,
    /// What the host heard.
    host: BTreeSet<String>,
    /// What netpeer, the third app, heard.
    peer: BTreeSet<String>,
}

impl Tried {
    fn end(&self, app: &str, attempt: &str) -> &str {
        let end = self.ends.get(&(app.to_owned(), attempt.to_owned()));
        end.unwrap_or_else(|| panic!("{app} has not tried {attempt}: {self:#?}"))
    }

    /// Attempts of an app.
    fn of<'t>(&'t self, app: &'t str) -> impl Iterator<Item = (&'t str, &'t str)> {
        let own = self.ends.iter().filter(move |((other, _), _)| other == app);
        own.map(|((_, attempt), end)| (attempt.as_str(), end.as_str()))
    }
}

/// Runs the image with these layers off, waits until all is tried, and knocks at its ports from outside.
fn try_all(board: Board, layers_off: &[&str], how: &str) -> Tried {
    let host = Host::start();
    let image = image::image(board, &host, layers_off, how);
    let mut vm = Vm::start_with_ports(&image, &[host.open, host.other], &[]);
    let mut waiting = BTreeSet::from(["netless".to_owned(), "netprobe".to_owned()]);
    while !waiting.is_empty() {
        let found = vm.wait_for(r"\] (netless|netprobe): (all attempts made|some attempts failed)$");
        assert_eq!(found[2], "all attempts made", "{:?}", vm.transcript);
        waiting.remove(&found[1]);
    }
    // A port that an app listens on leads to it, the other one nowhere, whatever the layers are.
    assert_eq!(echo(vm.address(host.open)).as_deref(), Some("from-outside"));
    assert_eq!(echo(vm.address(host.other)), None);
    vm.wait_for(r"\] netpeer: got tcp from-outside");
    // All of it with the kernel's table of flows: netd says so if it lacks the table, or a link.
    assert!(!vm.has_printed("flows"), "{:?}", vm.transcript);

    let said = |pattern: &str| {
        let line = Regex::new(pattern).expect("valid");
        let found = vm.transcript.iter().filter_map(move |text| {
            let groups = line.captures(text)?;
            Some(groups.iter().flatten().map(|group| group.as_str().to_owned()).collect::<Vec<_>>())
        });
        found.collect::<Vec<_>>().into_iter()
    };
    let ends = said(r"\] (netless|netprobe): attempt ([\w-]+): (.*)$");
    let ends = ends.map(|found| ((found[1].clone(), found[2].clone()), found[3].clone())).collect();
    let peer = said(r"\] netpeer: got (tcp|udp) (\S+)$").map(|found| format!("{} {}", found[1], found[2]));
    Tried { ends, host: host.heard(), peer: peer.collect() }
}

/// What comes back from a forwarded port. QEMU takes every connection, whether or not it leads anywhere.
fn echo(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).expect("QEMU listens");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("not zero");
    stream.write_all(b"from-outside").ok()?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

/// Sockets that are neither TCP nor UDP of IPv4, and how the bare kernel takes them.
const FOREIGN_SOCKETS: [(&str, &str); 22] = [
    // From 10.0.2.2, as root and without a filter.
    ("icmp-raw", "succeeded"),
    // The kernel's own setting `ping_group_range` has nobody in it.
    ("icmp-datagram", "EACCES"),
    ("raw", "succeeded"),
    ("raw-udp", "succeeded"),
    ("netlink-route", "succeeded"),
    ("netlink-filter", "succeeded"),
    // The rest is not even in the kernel.
    ("sctp", "ESOCKTNOSUPPORT"),
    ("inet6-tcp", "EAFNOSUPPORT"),
    ("inet6-udp", "EAFNOSUPPORT"),
    ("packet", "EAFNOSUPPORT"),
    ("packet-datagram", "EAFNOSUPPORT"),
    ("vsock", "EAFNOSUPPORT"),
    ("alg", "EAFNOSUPPORT"),
    ("bluetooth", "EAFNOSUPPORT"),
    ("can", "EAFNOSUPPORT"),
    ("ieee802154", "EAFNOSUPPORT"),
    ("key", "EAFNOSUPPORT"),
    ("llc", "EAFNOSUPPORT"),
    ("nfc", "EAFNOSUPPORT"),
    ("rds", "EAFNOSUPPORT"),
    ("tipc", "EAFNOSUPPORT"),
    ("x25", "EAFNOSUPPORT"),
];

/// With every layer, only with the packet filter, with neither.
const PEERS: [(&str, [&str; 3]); 20] = [
    ("tcp-open", ["succeeded", "succeeded", "succeeded"]),
    ("tcp-fast-open", ["succeeded", "succeeded", "succeeded"]),
    // Landlock knows the ports, the packet filter the machines as well.
    ("tcp-other-port", ["EACCES", REJECTED, "succeeded"]),
    ("tcp-fast-open-other-port", ["EACCES", REJECTED, "succeeded"]),
    ("tcp-other-app", [REJECTED, REJECTED, "succeeded"]),
    // QEMU has nobody there, and says so.
    ("tcp-other-host", [REJECTED, REJECTED, "ENETUNREACH"]),
    // What an app sends to the device itself is dropped. Nobody listens there, which shows that it arrived.
    ("tcp-device", ["no answer", "no answer", "ECONNREFUSED"]),
    ("tcp-router", ["no answer", "no answer", "ECONNREFUSED"]),
    ("tcp-bind", ["EACCES", "succeeded", "succeeded"]),
    ("udp-open", [REJECTED, REJECTED, "succeeded"]),
    ("udp-other-port", [REJECTED, REJECTED, "succeeded"]),
    ("udp-other-app", [REJECTED, REJECTED, "succeeded"]),
    ("udp-device", ["no answer", "no answer", "ECONNREFUSED"]),
    ("udp-router", ["no answer", "no answer", "ECONNREFUSED"]),
    // An ordinary socket cannot; one that can is stopped by the filter, and by the kernel's reverse path check,
    // which stays on.
    ("udp-foreign-source", ["EADDRNOTAVAIL", "EADDRNOTAVAIL", "EADDRNOTAVAIL"]),
    ("udp-forced-foreign-source", ["EPERM", "no answer", "no answer"]),
    // These can be sent at most: they end at the device, where nothing listens for them, and neither the host nor
    // another app hears them. netd's own tests have a listener there, and the filter off as control.
    ("udp-broadcast", ["EPERM", "no answer", "no answer"]),
    ("udp-network-broadcast", ["no answer", "no answer", "no answer"]),
    ("udp-multicast", ["no answer", "no answer", "no answer"]),
    ("udp-multicast-group", ["no answer", "no answer", "no answer"]),
];

/// Beyond this machine; not tried without a filter.
const BEYOND: [(&str, [&str; 2]); 4] = [
    ("tcp-outside", [REJECTED, REJECTED]),
    ("udp-outside", [REJECTED, REJECTED]),
    ("tcp-name-server", ["EACCES", REJECTED]),
    ("udp-name-server", [REJECTED, REJECTED]),
];

fn app_reaches_what_its_manifest_names_and_nothing_else(board: Board) {
    let tried = try_all(board, &[], "everywhere");
    for (attempt, [end, ..]) in PEERS {
        assert_eq!(tried.end("netprobe", attempt), end, "{attempt}: {tried:#?}");
    }
    for (attempt, [end, _]) in BEYOND {
        assert_eq!(tried.end("netprobe", attempt), end, "{attempt}: {tried:#?}");
    }
    for (attempt, _) in FOREIGN_SOCKETS {
        assert_eq!(tried.end("netprobe", attempt), "EPERM", "{attempt}: {tried:#?}");
    }
    // Without `network`, everything: there is not even a socket.
    for (attempt, end) in tried.of("netless") {
        assert_eq!(end, "EPERM", "{attempt}: {tried:#?}");
    }
    assert_eq!(tried.of("netless").count(), PEERS.len() + BEYOND.len() + FOREIGN_SOCKETS.len());
    assert_eq!(tried.of("netprobe").count(), tried.of("netless").count());
    assert_eq!(tried.host, set(&["tcp open tcp-open", "tcp open tcp-fast-open"]));
    assert_eq!(tried.peer, set(&["tcp from-outside"]));
}

fn root_without_a_sandbox_is_held_by_the_packet_filter_alone(board: Board) {
    let tried = try_all(board, &SANDBOX, "everywhere");
    for (attempt, [_, end, _]) in PEERS {
        assert_eq!(tried.end("netprobe", attempt), end, "{attempt}: {tried:#?}");
    }
    for (attempt, [_, end]) in BEYOND {
        assert_eq!(tried.end("netprobe", attempt), end, "{attempt}: {tried:#?}");
    }
    assert_eq!(tried.end("netprobe", "icmp-raw"), "no answer", "{tried:#?}");
    // An app without `network` is held by its namespace, in which there is nothing but itself.
    let addressed =
        PEERS.iter().map(|(attempt, _)| *attempt).chain(BEYOND.iter().map(|(attempt, _)| *attempt));
    for attempt in addressed.filter(|attempt| !["tcp-bind", "udp-foreign-source"].contains(attempt)) {
        assert_eq!(tried.end("netless", attempt), "ENETUNREACH", "{attempt}: {tried:#?}");
    }
    assert_eq!(tried.end("netless", "icmp-raw"), "ENETUNREACH", "{tried:#?}");
    assert_eq!(tried.host, set(&["tcp open tcp-open", "tcp open tcp-fast-open"]));
    assert_eq!(tried.peer, set(&["tcp from-outside"]));
}

fn app_without_the_layers_reaches_what_they_keep_from_it(board: Board) {
    let tried = try_all(board, &[&SANDBOX[..], &["packet-filter"]].concat(), "within");
    for (attempt, [.., end]) in PEERS {
        assert_eq!(tried.end("netprobe", attempt), end, "{attempt}: the attempt proves nothing: {tried:#?}");
    }
    for (attempt, end) in FOREIGN_SOCKETS {
        assert_eq!(tried.end("netprobe", attempt), end, "{attempt}: the attempt proves nothing: {tried:#?}");
    }
    let heard = [
        "tcp open tcp-open",
        "tcp open tcp-fast-open",
        "tcp other tcp-other-port",
        "tcp other tcp-fast-open-other-port",
        "udp open udp-open",
        "udp other udp-other-port",
    ];
    assert_eq!(tried.host, set(&heard));
    assert_eq!(tried.peer, set(&["tcp from-outside", "tcp tcp-other-app", "udp udp-other-app"]));
}

fn panel_asked_by_curl_shows_the_device_and_an_app_that_was_stopped(board: Board) {
    let image = demo_on(board).copy();
    let mut vm = Vm::start_with_ports(&image, &[8080], &["--memory", board.memory]);
    let site = format!("http://{}", vm.wait_for_port(8080));
    let curl = |options: &[&str], path: &str| {
        let url = format!("{site}{path}");
        judge("curl", &[&["--silent", "--show-error", "--max-time", "30"], options, &[&url]].concat())
    };
    let state = || -> Value { serde_json::from_str(&curl(&["--fail"], "/state.json")).expect("JSON") };
    let wait_for_state = |wanted: &str| {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let seen = state();
            let apps = seen["apps"].as_array().expect("apps");
            let found = apps.iter().find(|app| app["app"] == "org.nacre.recorder").expect("it is installed");
            if found["state"] == wanted {
                return seen;
            }
            assert!(Instant::now() < until, "recorder is not {wanted}: {seen:#}");
            std::thread::sleep(Duration::from_millis(500));
        }
    };

    let seen = wait_for_state("running");
    assert_eq!(seen["image"]["name"], "demo", "{seen:#}");
    assert_eq!(seen["image"]["board"], board.name, "{seen:#}");
    assert_eq!(seen["address"], "10.0.2.15", "{seen:#}");
    let apps = seen["apps"].as_array().expect("apps");
    let named: Vec<_> = apps.iter().map(|app| (app["app"].as_str(), app["restarts"].as_u64())).collect();
    let expected = ["panel", "recorder", "reporter"].map(|app| format!("org.nacre.{app}"));
    assert_eq!(named, expected.iter().map(|app| (Some(app.as_str()), Some(0))).collect::<Vec<_>>());
    assert!(seen["device"]["memory_used_kib"].as_u64() > Some(1000), "{seen:#}");

    let page = curl(&["--fail", "--include"], "/");
    let (head, body) = page.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("text/html"), "{head}");
    for text in ["recorder", "reporter", "panel", "Running", "demo", board.name] {
        assert!(body.contains(text), "`{text}` is not on the page: {body}");
    }
    // Nothing on it comes from elsewhere.
    let elsewhere = Regex::new(r#"(src|href|action)=["']?(https?:)?//|url\([^#]|@import"#).expect("valid");
    assert!(!elsewhere.is_match(body), "{body}");
    for (options, path, status) in
        [(&[][..], "/nothing", "404"), (&["--request", "POST", "--data", "x"], "/", "405")]
    {
        let options = [options, &["--output", "/dev/null", "--write-out", "%{http_code}"]].concat();
        assert_eq!(curl(&options, path), status, "{path}");
    }

    vm.device(&image, &["stop", "recorder"]);
    let seen = wait_for_state("stopped");
    assert!(seen["problems"].to_string().contains("samples"), "{seen:#}");
    assert!(curl(&["--fail"], "/").contains("Stopped"));
    vm.device(&image, &["start", "recorder"]);
    wait_for_state("running");
    assert!(!vm.has_printed("(?i)kernel panic|out of memory|oom"), "{:?}", vm.transcript);
}

fn device_without_a_network_goes_on_and_its_panel_waits(board: Board) {
    let image = demo_on(board).copy();
    let mut vm = Vm::start(&image, &["--offline", "--memory", board.memory]);
    vm.wait_for(r"\] panel: waiting for the network$");
    vm.wait_for(r"\] reporter: \d+ samples of 1 boots");
    let samples = vm.wait_for_number(r"\] reporter: (\d+) samples of 1 boots");
    assert!(samples > 3, "{samples} samples");
    vm.wait_for(r"\] reporter: apps: .*panel offline .*recorder running .*reporter running");
    let apps = vm.device(&image, &["apps", "--json"]);
    for line in apps.lines() {
        let app: Value = serde_json::from_str(line).expect("a line of JSON");
        let waits = app["app"].as_str().is_some_and(|app| app.ends_with("panel"));
        assert_eq!(app["state"], if waits { "waiting" } else { "running" }, "{apps}");
        assert_eq!(app["restarts"], 0, "{apps}");
    }
    assert!(!vm.has_printed(r"(?i)kernel panic|out of memory|oom|netd.*(ended|exited|killed)"), "{vm:?}");
}

crate::on_each_board! {
    app_reaches_what_its_manifest_names_and_nothing_else,
    root_without_a_sandbox_is_held_by_the_packet_filter_alone,
    app_without_the_layers_reaches_what_they_keep_from_it,
    panel_asked_by_curl_shows_the_device_and_an_app_that_was_stopped,
    device_without_a_network_goes_on_and_its_panel_waits,
}
