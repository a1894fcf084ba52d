//! Packages that come and go while the device runs: over the channel of a real kernel in a VM.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use nacre_tests::image::{Board, Image};
use nacre_tests::nacre::{nacre, text};
use nacre_tests::steps::Steps;
use nacre_tests::vm::Vm;

mod capability;
mod cuts;
mod hostile;
mod packages;

use packages::{App, Packages, arg};

const PLAIN: App<'static> =
    App { name: "guest", number: 1, steps: r#""read /proc/self/attr/none", hang"#, fields: "", ballast: 4 };

/// Exit code of `nacre device`, and all that it said.
fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), text(output))
}

/// `nacre device` is refused with this exit code and these words.
fn refused(vm: &Vm, image: &Image, arguments: &[&str], code: i32, words: &str) {
    let (found, text) = said(&vm.try_device(image, arguments));
    assert!(found == Some(code) && text.contains(words), "{arguments:?}: {found:?}\n{text}");
}

fn states(vm: &Vm, image: &Image) -> Vec<(String, String, String)> {
    let lines = vm.device(image, &["--json", "list"]);
    let each = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON lines"));
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    each.map(|one| (text(&one["app"]), text(&one["version"]), text(&one["state"]))).collect()
}

fn row(app: &str, version: &str, state: &str) -> (String, String, String) {
    (format!("org.nacre.{app}"), version.to_owned(), state.to_owned())
}

fn package_installed_while_the_device_runs_replaces_and_goes_again(board: Board) {
    let storage = "storage: { data: 64KiB }\n";
    let image =
        Steps::new(board).app("host", &["line LED1 low", "hang"], "devices: { gpio: [LED1] }\n").build();
    let packages = Packages::new(board);
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] host: step line LED1 low: done");
    // Somebody follows the log all the while.
    let mut follower = nacre()
        .args(["device", "--dir", image.arg(), "logs", "--follow", "--app", "host"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("nacre starts");
    let mut followed = BufReader::new(follower.stdout.take().expect("a pipe")).lines();
    followed.next().expect("a line").expect("a line");

    let first = App { steps: r#""write /data/kept one", hang"#, fields: storage, ..PLAIN };
    vm.device(&image, &["install", arg(&packages.make(first))]);
    vm.wait_for(r"\] guest: step write /data/kept one: done");
    let second = App { number: 2, steps: r#""read /data/kept", hang"#, ..first };
    vm.device(&image, &["install", arg(&packages.make(second))]);
    vm.wait_for(r"\] guest: stopped");
    vm.wait_for(r"\] guest: step read /data/kept: one");
    assert_eq!(states(&vm, &image), [row("host", "0.1.0", "running"), row("guest", "0.1.2", "running")]);

    // What may not come, does not, and what is there runs on.
    let old = packages.make(App { number: 1, ..first });
    refused(&vm, &image, &["install", arg(&old)], 64, "rollback index is 1, and this device has come to 2");
    let greedy = App { name: "greedy", fields: "devices: { gpio: [LED1] }\n", ..PLAIN };
    refused(
        &vm,
        &image,
        &["install", arg(&packages.make(greedy))],
        64,
        "GPIO line LED1, and org.nacre.host has it",
    );
    let networked = App { name: "networked", fields: "network: { listen: [tcp:80] }\n", ..PLAIN };
    refused(&vm, &image, &["install", arg(&packages.make(networked))], 64, "this image has no netd");
    let large = App { name: "large", ballast: 6 * 1024, ..PLAIN };
    refused(&vm, &image, &["install", arg(&packages.make(large))], 75, "no room");
    assert_eq!(states(&vm, &image)[1], row("guest", "0.1.2", "running"));

    // It is there after a restart, and gone when it is removed; what it stored is there when it comes again.
    vm.device(&image, &["reboot"]);
    vm.wait_for("init: restarting");
    vm.wait_for(r"\] guest: step read /data/kept: one");
    vm.device(&image, &["remove", "guest"]);
    assert_eq!(states(&vm, &image), [row("host", "0.1.0", "running")]);
    refused(&vm, &image, &["remove", "guest"], 66, "no app guest here");
    vm.device(&image, &["install", arg(&packages.make(App { number: 3, ..second }))]);
    vm.wait_for(r"\] guest: step read /data/kept: one");
    vm.device(&image, &["remove", "org.nacre.guest", "--data"]);
    vm.device(&image, &["install", arg(&packages.make(App { number: 4, ..second }))]);
    vm.wait_for(r"\] guest: step read /data/kept: .*(No such file|ENOENT|os error 2)");

    // The follower has seen the restart of the device, and all that the other app said, in between.
    vm.device(&image, &["restart", "host"]);
    let seen: Vec<String> =
        followed.map_while(Result::ok).take_while(|line| !line.contains("stopped")).collect();
    assert!(seen.iter().any(|line| line.contains("step line LED1 low: done")), "{seen:#?}");
    follower.kill().expect("the child is ours");
    let _ = follower.wait();
    vm.device(&image, &["power-off"]);
    assert_eq!(vm.wait(), Some(0));
}

fn app_with_a_network_comes_and_goes_on_a_generic_image(board: Board) {
    let image = Steps::new(board).build();
    let packages = Packages::new(board);
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] appmgr: ");
    let listens = |name, number| App {
        name,
        number,
        steps: r#""bind 0.0.0.0:8080", hang"#,
        fields: "network: { listen: [tcp:8080] }\n",
        ..PLAIN
    };
    vm.device(&image, &["install", arg(&packages.make(listens("web", 1)))]);
    vm.wait_for(r"\] netd: online: ");
    vm.wait_for(r"\] web: step bind 0.0.0.0:8080: done");
    refused(
        &vm,
        &image,
        &["install", arg(&packages.make(listens("other", 1)))],
        64,
        "it listens on tcp:8080, and so does org.nacre.web",
    );
    // Its own port is no conflict with itself.
    vm.device(&image, &["install", arg(&packages.make(listens("web", 2)))]);
    vm.wait_for(r"\] web: step bind 0.0.0.0:8080: done");
    vm.device(&image, &["remove", "web"]);
    vm.device(&image, &["install", arg(&packages.make(listens("other", 1)))]);
    vm.wait_for(r"\] other: step bind 0.0.0.0:8080: done");
    assert_eq!(states(&vm, &image), [row("other", "0.1.1", "running")]);
}

fn log_since_is_what_happened_since(board: Board) {
    let image =
        Steps::new(board).app("a", &["wait 6", "heartbeat", "hang"], "health: { heartbeat: 60s }\n").build();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] a: step heartbeat");
    let all = vm.device(&image, &["logs"]);
    let late = vm.device(&image, &["logs", "--since", "4s"]);
    assert!(all.contains("started (pid") && !late.contains("started (pid"), "{late}");
    assert!(late.contains("step heartbeat"), "{late}");
    fs::metadata(image.dir()).expect("the image is there still");
}

crate::on_each_board! {
    package_installed_while_the_device_runs_replaces_and_goes_again,
    app_with_a_network_comes_and_goes_on_a_generic_image,
    log_since_is_what_happened_since,
}
