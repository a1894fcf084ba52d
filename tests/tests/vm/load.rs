//! panel under load: it answers, stays within its memory, and the other apps don't notice.
//!
//! For 20 seconds, or for five minutes with `NACRE_TEST_FULL`, which `cargo xtask test --full` sets.

mod client;
mod flood;

use std::time::{Duration, Instant};

use nacre_tests::image::{Board, Image, demo_on};
use nacre_tests::vm::Vm;
use serde_json::Value;

use client::{get, state};

/// Requests in a second.
const RATE: u32 = 10;

/// The least memory that may be left at any time, in KiB.
const LEAST_KIB: u64 = 1024;

/// How long an answer may take while the machine is busy with others.
const PATIENCE: Duration = Duration::from_secs(20);

fn load_time() -> Duration {
    Duration::from_secs(if std::env::var_os("NACRE_TEST_FULL").is_some() { 300 } else { 20 })
}

/// What the device says of itself between two moments.
#[derive(Debug, Clone, Copy)]
struct Reading {
    available_kib: u64,
    kept: u64,
    uptime_ms: u64,
}

impl Reading {
    fn of(state: &Value) -> Self {
        let number =
            |value: &Value| value.as_u64().unwrap_or_else(|| panic!("a figure is missing: {state:#}"));
        let device = &state["device"];
        Self {
            available_kib: number(&device["memory_total_kib"]) - number(&device["memory_used_kib"]),
            kept: number(&state["samples"]["kept"]),
            uptime_ms: number(&device["uptime_ms"]),
        }
    }

    /// Samples that recorder took per second since `before`.
    fn rhythm_since(self, before: Self) -> f64 {
        let samples = u32::try_from(self.kept - before.kept).expect("not so many");
        let time = Duration::from_millis(self.uptime_ms - before.uptime_ms);
        f64::from(samples) / time.as_secs_f64()
    }
}

/// Asks ten times a second, on a connection of its own each time, and returns the answers' figures.
fn steady(vm: &Vm) -> Vec<Reading> {
    let address = vm.address(8080);
    let start = Instant::now();
    let pause = Duration::from_secs(1) / RATE;
    let mut readings = Vec::new();
    let mut slowest = Duration::ZERO;
    // At least as many at a time as panel serves: one slow answer does not change the rate of the others.
    std::thread::scope(|scope| {
        let mut asked = Vec::new();
        for number in 0.. {
            let at = pause * number;
            if at >= load_time() {
                break;
            }
            std::thread::sleep((start + at).saturating_duration_since(Instant::now()));
            asked.push(scope.spawn(move || {
                let asked = Instant::now();
                // Every other one is the page, as a browser would ask for it.
                let reading = match number % 2 {
                    0 => Some(Reading::of(&state(address, PATIENCE))),
                    _ => {
                        let page =
                            get(address, "/", PATIENCE).unwrap_or_else(|error| panic!("the page: {error}"));
                        assert!(page.starts_with("HTTP/1.1 200 "), "request {number}: {page}");
                        assert!(page.ends_with("</html>\n"), "request {number} was cut: {page}");
                        None
                    }
                };
                (asked.elapsed(), reading)
            }));
        }
        for (number, request) in asked.into_iter().enumerate() {
            let (time, reading) =
                request.join().unwrap_or_else(|_| panic!("request {number} was not answered"));
            slowest = slowest.max(time);
            readings.extend(reading);
        }
    });
    println!("{} answers to {RATE} requests a second, the slowest after {slowest:?}", readings.len() * 2);
    readings
}

/// No app was killed or started again, and nothing ran out.
fn assert_unharmed(vm: &Vm, image: &Image) {
    let apps = vm.device(image, &["apps", "--json"]);
    for line in apps.lines() {
        let app: Value = serde_json::from_str(line).expect("a line of JSON");
        assert_eq!((app["state"].as_str(), app["restarts"].as_u64()), (Some("running"), Some(0)), "{apps}");
    }
    let log = vm.device(image, &["logs"]);
    let bad = regex::Regex::new("(?i)out of memory|oom|ended by signal|exited with|netd.*(ended|killed)");
    let bad = bad.expect("valid");
    assert!(!bad.is_match(&log), "{log}");
    assert!(!vm.has_printed("(?i)kernel panic|out of memory|oom-kill"), "{:?}", vm.transcript);
}

fn panel_in_the_stated_memory_answers_steadily_and_outlives_a_flood(board: Board) {
    let image = demo_on(board).copy();
    let mut vm = Vm::start_with_ports(&image, &[8080], &["--memory", board.memory]);
    let address = vm.wait_for_port(8080);
    // Recorder has samples, so that every answer is whole.
    vm.wait_for(r"\] reporter: \d+ samples of 1 boots");

    let readings = steady(&vm);
    let (first, last) = (readings[0], readings[readings.len() - 1]);
    let least = readings.iter().map(|reading| reading.available_kib).min().expect("there are some");
    println!(
        "{}: available {} KiB at first, {} KiB at last, {least} KiB at least",
        board.name, first.available_kib, last.available_kib
    );
    assert!(least > LEAST_KIB, "{least} KiB available");
    let calm = last.rhythm_since(first);
    assert_unharmed(&vm, &image);

    let before = Reading::of(&state(address, PATIENCE));
    let tried = flood::run(address, Duration::from_secs(15));
    println!("flood: {tried:?}");
    let after = Reading::of(&state(address, 3 * PATIENCE));
    let flooded = after.rhythm_since(before);
    println!("samples a second: {calm:.2} under steady load, {flooded:.2} in the flood; {after:?}");
    assert!(flooded > 0.5 * calm.min(1.0), "recorder took {flooded:.2} samples a second, {calm:.2} before");
    assert_unharmed(&vm, &image);
    // Nor has reporter noticed: it reports every five seconds, and began to before the load.
    while vm.wait_for_number(r"\] reporter: \d+ samples of 1 boots, up (\d+) s$") * 1000 < after.uptime_ms {}
    assert!(!vm.has_printed(r"\] reporter: no "), "{:?}", vm.transcript);
}

crate::on_each_board! {
    panel_in_the_stated_memory_answers_steadily_and_outlives_a_flood,
}
