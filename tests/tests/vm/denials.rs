//! Denials that teach: each layer's is an event with the line that would allow it, or why none does; and an app that
//! is denied without end costs only itself.

use nacre_tests::image::{Board, Image};
use nacre_tests::steps::Steps;
use nacre_tests::vm::Vm;
use serde_json::Value;

const NETWORK: &str = "network: { connect: [ \"tcp:10.0.2.2:9\" ] }\n";

fn events(vm: &Vm, image: &Image, options: &[&str]) -> Vec<Value> {
    let text = vm.device(image, &[&["events", "--json"], options].concat());
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// Until each of these apps has made its steps, in whatever order.
fn wait_for_steps(vm: &mut Vm, apps: &[&str]) {
    for app in apps {
        let end = format!(r"\] {app}: all steps made");
        if !vm.has_printed(&end) {
            vm.wait_for(&end);
        }
    }
}

/// How often a witness was answered in each of its windows of two seconds: those before a line of the device, and
/// those after it. The windows in the middle of each tell what another one does, whatever else this machine is busy with.
fn answers_around(vm: &Vm, line: &str) -> (u64, u64) {
    let line = regex::Regex::new(line).expect("valid");
    let at = vm.transcript.iter().position(|text| line.is_match(text));
    let (before, after) = vm.transcript.split_at(at.unwrap_or_else(|| panic!("no line is {line}")));
    let middle = |lines: &[String]| {
        let count = |line: &String| line.split_once("step tick 2: ")?.1.split(' ').next()?.parse().ok();
        let mut counts: Vec<u64> = lines.iter().filter_map(count).collect();
        counts.sort_unstable();
        assert!(counts.len() >= 3, "only {counts:?} on one side of {line}");
        counts[counts.len() / 2]
    };
    // The window in which it begins belongs to neither.
    (middle(before), middle(&after[1..]))
}

/// The steps of a witness: it asks the OS ten times a second, in windows of two seconds, for longer than any test takes.
const TICKS: [&str; 30] = ["tick 2"; 30];

/// Waits for a line, and for the witness's next windows.
fn wait_for_windows_after(vm: &mut Vm, line: &str) {
    vm.wait_for(line);
    for _ in 0..5 {
        vm.wait_for("step tick 2: ");
    }
}

/// Beside an app that does harm the OS answers a witness at least half as often as before.
fn assert_witness_is_answered(vm: &Vm, line: &str) {
    let (before, during) = answers_around(vm, line);
    println!("answers in 2 s: {before}, and {during} meanwhile");
    assert!(before > 0 && during * 2 >= before, "{before} answers in 2 s, {during} meanwhile");
}

/// The event of what was tried.
fn event<'e>(events: &'e [Value], tried: &str) -> &'e Value {
    let found = events.iter().find(|event| event["tried"].as_str().is_some_and(|text| text.contains(tried)));
    found.unwrap_or_else(|| panic!("no event of {tried}: {events:#?}"))
}

fn each_layers_denial_is_an_event_with_the_line_that_allows_it(board: Board) {
    let image = Steps::new(board)
        .app("calls", &["unshare", "hostname x", "packets", "code", "connect 10.0.2.2:9", "stats"], "")
        .app(
            "files",
            &[
                "write /data/x y",
                "write /tmp/x y",
                "write /app/x y",
                "folder /data/d",
                "remove /proc/version",
                "execute /tmp/x",
                "read /app/bin/none",
            ],
            "",
        )
        .app("ports", &["connect 10.0.2.2:8883", "bind 0.0.0.0:8080", "connect 10.0.2.2:9"], NETWORK)
        .build();
    let mut vm = Vm::start(&image, &[]);
    wait_for_steps(&mut vm, &["calls", "files", "ports"]);
    let all = events(&vm, &image, &[]);
    for (tried, app, layer, field, line) in [
        (
            "mprotect(4096 bytes, PROT_READ|PROT_EXEC)",
            "calls",
            "seccomp",
            "memory.writable-executable",
            "true",
        ),
        ("socket(AF_INET, SOCK_STREAM", "calls", "seccomp", "network.connect", "tcp:HOST:PORT"),
        ("ask the OS for stats", "calls", "app-manager", "system", "stats"),
        ("open /data/x for writing", "files", "landlock", "storage.data", "64KiB"),
        ("make /data/d", "files", "landlock", "storage.data", "64KiB"),
        ("connect tcp 10.0.2.2:8883", "ports", "landlock", "network.connect", "tcp:10.0.2.2:8883"),
        ("bind tcp port 8080", "ports", "landlock", "network.listen", "tcp:8080"),
    ] {
        let found = event(&all, tried);
        assert_eq!(found["app"], format!("org.nacre.{app}"), "{found}");
        assert_eq!(found["layer"], layer, "{found}");
        assert_eq!(
            (&found["remedy"]["field"], &found["remedy"]["line"]),
            (&field.into(), &line.into()),
            "{found}"
        );
        assert_eq!(found["remedy"]["app"], found["app"], "{found}");
    }
    for (tried, layer) in [
        ("unshare(CLONE_NEWUSER)", "seccomp"),
        ("sethostname(\"x\")", "seccomp"),
        ("socket(AF_PACKET, SOCK_RAW", "seccomp"),
        ("open /app/x for writing", "landlock"),
        ("remove /proc/version", "landlock"),
        ("execute /tmp/x", "landlock"),
    ] {
        let found = event(&all, tried);
        assert_eq!(found["layer"], layer, "{found}");
        assert!(found["remedy"]["never"].as_str().is_some_and(|why| why.len() > 10), "{found}");
    }
    // What is allowed, and what is merely not there, is no denial.
    for tried in ["/tmp/x for writing", "/app/bin/none", "10.0.2.2:9\""] {
        assert!(!all.iter().any(|event| event.to_string().contains(tried)), "{tried}: {all:#?}");
    }
    // The app got errors, not a signal.
    for (step, errors) in [
        ("unshare", &["Operation not permitted"][..]),
        ("hostname x", &["Operation not permitted"]),
        ("write /data/x y", &["Read-only file system", "Permission denied"]),
        ("connect 10.0.2.2:8883", &["Permission denied"]),
    ] {
        let line = vm.transcript.iter().find(|line| line.contains(&format!("step {step}: ")));
        let as_expected = line.is_some_and(|line| errors.iter().any(|error| line.contains(error)));
        assert!(as_expected, "{step}: {line:?}");
    }
    // The console has the same line, and so has the log.
    assert!(vm.has_printed(r"\] files: denied: open /data/x for writing \(landlock\) — set storage\.data: 64KiB in files/nacre\.yaml$"));
    let of_one = events(&vm, &image, &["--app", "ports"]);
    assert!(of_one.len() >= 2 && of_one.iter().all(|event| event["app"] == "org.nacre.ports"), "{of_one:#?}");
    let people = vm.device(&image, &["events", "--app", "files"]);
    assert!(people.contains("files: denied: make /data/d (landlock) — set storage.data: 64KiB"), "{people}");
    let numbers: Vec<u64> = all.iter().filter_map(|event| event["number"].as_u64()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
}

fn production_image_tells_denied_calls_and_not_what_landlock_denies(board: Board) {
    let image = Steps::new(board)
        .app("files", &["write /data/x y", "execute /etc/none", "folder /data/d", "unshare"], "")
        .production()
        .build();
    let mut vm = Vm::start(&image, &[]);
    wait_for_steps(&mut vm, &["files"]);
    assert!(vm.has_printed(r"step write /data/x y: (Read-only file system|Permission denied)"));
    let all = events(&vm, &image, &[]);
    assert!(event(&all, "unshare(CLONE_NEWUSER)")["remedy"]["never"].is_string());
    assert!(all.iter().all(|event| event["layer"] == "seccomp"), "{all:#?}");
}

fn storm_of_denied_calls_costs_only_its_app(board: Board) {
    const LIMITS: &str = "limits: { memory: 1MiB, tasks: 8, cpu: 50%, open-files: 32 }\n";
    // As long without the storm as with it, on the same device.
    let image = Steps::new(board)
        .app("storm", &["wait 9", "storm 4 10", "unshare"], LIMITS)
        .app("witness", &TICKS, "system: [stats]\n")
        .build();
    let mut vm = Vm::start(&image, &[]);
    wait_for_windows_after(&mut vm, "storm: denied: ");
    assert_witness_is_answered(&vm, "storm: denied: ");
    wait_for_steps(&mut vm, &["storm"]);
    let made: u64 = vm
        .transcript
        .iter()
        .find_map(|line| line.split_once("step storm 4 10: ")?.1.split(' ').next()?.parse().ok())
        .expect("it says how many");
    println!("denied calls in 10 s: {made}");
    // The budget: a burst of 80, then 100 a second.
    assert!((100..2_000).contains(&made), "{made} denied calls");
    let told = events(&vm, &image, &["--app", "storm"]);
    let accounted: u64 = told
        .iter()
        .map(|event| 1 + event["more"].as_u64().unwrap() + event["left_out"].as_u64().unwrap())
        .sum();
    assert!(told.len() <= 40, "{} events", told.len());
    assert!(accounted + 64 >= made / 2, "{accounted} of {made} are accounted for");
    // And it is answered still.
    assert!(vm.has_printed(r"step unshare: Operation not permitted"));
}

fn app_that_keeps_its_memory_locked_costs_only_itself(board: Board) {
    // Throttled while it holds the lock: who reads its memory then waits for its next turn.
    const LIMITS: &str = "limits: { memory: 1MiB, tasks: 8, cpu: 5%, open-files: 32 }\n";
    let image = Steps::new(board)
        .app("grip", &["wait 7", "grip 3600"], LIMITS)
        .app("witness", &TICKS, "system: [stats]\n")
        .build();
    let mut vm = Vm::start(&image, &[]);
    wait_for_windows_after(&mut vm, "grip: denied: sethostname");
    assert_witness_is_answered(&vm, "grip: denied: sethostname");
}

fn app_that_is_killed_in_a_denied_call_is_reaped_and_starts_again(board: Board) {
    const LIMITS: &str = "limits: { memory: 1MiB, tasks: 8, cpu: 50%, open-files: 32 }\n";
    let image = Steps::new(board)
        .app(
            "storm",
            &["storm 6 3600"],
            &format!("restart: {{ policy: always, backoff: 1s..1s, limit: 50 per 10m }}\n{LIMITS}"),
        )
        .app("other", &["wait 5", "unshare"], "")
        .build();
    let mut vm = Vm::start(&image, &[]);
    for _ in 0..4 {
        vm.wait_for(r"\] storm: started");
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        vm.device(&image, &["kill", "storm"]);
        vm.wait_for(r"\] storm: ended by signal 9");
    }
    vm.device(&image, &["stop", "storm"]);
    wait_for_steps(&mut vm, &["other"]);
    assert!(vm.has_printed("step unshare: Operation not permitted"));
    assert!(!vm.has_printed("no longer answered"));
}

crate::on_each_board! {
    each_layers_denial_is_an_event_with_the_line_that_allows_it,
    production_image_tells_denied_calls_and_not_what_landlock_denies,
    storm_of_denied_calls_costs_only_its_app,
    app_that_keeps_its_memory_locked_costs_only_itself,
    app_that_is_killed_in_a_denied_call_is_reaped_and_starts_again,
}
