//! Apps end, and come back as their manifests say; people stop and start them.

use nacre_tests::image::{Board, Image, build, demo_on};
use nacre_tests::vm::Vm;
use serde_json::Value;

/// One app's line of `nacre device apps --json`.
fn app(vm: &Vm, image: &Image, name: &str) -> Value {
    let apps = vm.device(image, &["apps", "--json"]);
    let mut apps = apps.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    apps.find(|app| app["app"].as_str().is_some_and(|id| id.ends_with(name))).expect("the app is listed")
}

fn reporter_killed_is_back_within_its_backoff_and_the_log_says_why(board: Board) {
    let image = demo_on(board).copy();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] reporter: apps:");
    vm.device(&image, &["kill", "reporter"]);
    vm.wait_for(r"reporter.*ended by signal 9 \(SIGKILL\)");
    vm.wait_for(r"\] reporter: apps:.*reporter running .*1 restart");
    assert_eq!(app(&vm, &image, "reporter")["restarts"], 1);
    let log = vm.device(&image, &["logs"]);
    assert!(log.contains("SIGKILL"), "{log}");
}

fn app_stopped_stays_down_and_starts_again_on_request(board: Board) {
    let image = demo_on(board).copy();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] reporter: \d+ samples");
    vm.device(&image, &["stop", "recorder"]);
    vm.wait_for(r"\] reporter: warning: no samples why=.unavailable");
    assert_eq!(app(&vm, &image, "recorder")["state"], "stopped");
    vm.device(&image, &["start", "recorder"]);
    vm.wait_for(r"\] recorder: [1-9]\d* samples kept");
    vm.wait_for(r"\] reporter: \d+ samples");
    vm.device(&image, &["restart", "recorder"]);
    vm.wait_for(r"\] recorder: [1-9]\d* samples kept");
    let unknown = vm.try_device(&image, &["stop", "recoder"]);
    assert_eq!(unknown.status.code(), Some(66));
}

fn app_crashing_for_ever_is_stopped_by_its_limit(board: Board) {
    let image = build("tests/images/probe.yaml", board).copy();
    let mut vm = Vm::start(&image, &[]);
    for _ in 0..3 {
        vm.wait_for(r"\] crasher: about to crash");
        vm.wait_for(r"crasher.*ended by signal \d+ \(SIG");
    }
    vm.wait_for(r"\] crasher: about to crash");
    vm.wait_for(r"crasher.*(limit|3 restarts)");
    assert_eq!(app(&vm, &image, "crasher")["state"], "failed");
}

fn app_over_its_memory_limit_is_killed_and_the_log_says_so(board: Board) {
    let image = build("tests/images/probe.yaml", board).copy();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] hog: taking memory");
    vm.wait_for(r"\] hog: killed: out of memory \(over limits.memory\)");
    assert!(!vm.has_printed(r"\] hog: took"), "the limit did not hold");
}

fn logs_follow_shows_new_lines_until_it_is_ended(board: Board) {
    let image = demo_on(board).copy();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] reporter: apps:");
    let mut follower = nacre_tests::nacre::nacre();
    follower.args(["device", "--dir", image.arg(), "logs", "--follow", "--app", "reporter"]);
    let mut follower = follower.stdout(std::process::Stdio::piped()).spawn().expect("nacre starts");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(follower.stdout.take().expect("a pipe")));
    let reports = lines.map_while(Result::ok).filter(|line| line.contains("samples of"));
    // The first may be an old line; the third can only be a new one.
    assert_eq!(reports.take(3).count(), 3);
    // A second client is served beside the first.
    assert!(vm.device(&image, &["apps"]).contains("reporter"));
    let _ = follower.kill();
    let _ = follower.wait();
}

crate::on_each_board! {
    reporter_killed_is_back_within_its_backoff_and_the_log_says_why,
    app_stopped_stays_down_and_starts_again_on_request,
    app_crashing_for_ever_is_stopped_by_its_limit,
    app_over_its_memory_limit_is_killed_and_the_log_says_so,
    logs_follow_shows_new_lines_until_it_is_ended,
}
