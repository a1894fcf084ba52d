//! Heartbeats, and word of the end.

use nacre_tests::image::{Board, demo_on};
use nacre_tests::steps::Steps;
use nacre_tests::vm::Vm;

fn app_that_misses_its_heartbeat_is_started_again_until_its_limit(board: Board) {
    let health = "health: { heartbeat: 3s }\n";
    let image = Steps::new(board)
        .app("lively", &["beat 40", "hang"], health)
        .app(
            "hung",
            &["heartbeat", "hang"],
            "health: { heartbeat: 3s }\nrestart: { policy: on-failure, backoff: 1s..2s, limit: 2 per 10m }\n",
        )
        .app("silent", &["hang"], health)
        .app("careless", &["heartbeat", "hang"], "")
        .build();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(
        r"\] careless: step heartbeat: denied: send a heartbeat — set health.heartbeat: 30s in careless",
    );
    for restart in 1..=2 {
        vm.wait_for(&format!(
            r"\] hung: killed: no heartbeat within 3 s \(health.heartbeat\); starts again in \d s \(restart {restart} of 2 in 10 min\)"
        ));
    }
    vm.wait_for(r"\] hung: killed: no heartbeat within 3 s \(health.heartbeat\); stays down: its limit of 2");
    assert!(
        vm.has_printed(r"\] silent: killed: no heartbeat within 3 s .*stays down \(restart policy never\)")
    );
    assert!(!vm.has_printed(r"\] (lively|careless): killed"), "{:?}", vm.transcript);
    vm.wait_for(r"\] lively: step beat 40: done");
    vm.wait_for(r"\] lively: killed: no heartbeat");
}

fn app_that_floods_the_os_with_heartbeats_costs_itself_only(board: Board) {
    let image = Steps::new(board)
        .app("flood", &["flood 20"], "health: { heartbeat: 3s }\nlimits: { memory: 1MiB, cpu: 100% }\n")
        .app("flood2", &["flood 20"], "health: { heartbeat: 3s }\nlimits: { memory: 1MiB, cpu: 100% }\n")
        .app("steady", &["beat 25"], "health: { heartbeat: 3s }\n")
        .build();
    let mut vm = Vm::start(&image, &[]);
    let count = vm.wait_for_number(r"\] flood2?: step flood 20: (\d+) heartbeats");
    // A burst of 400, and 200 a second. On a machine that is busy with others it comes to less, and nobody says so.
    assert!((100..=4600).contains(&count), "{count}");
    let slowed = vm.has_printed(r"\] flood2?: asks the OS more than 200 times a second: it is slowed down");
    assert!(slowed || count < 4400, "{count} heartbeats: {:?}", vm.transcript);
    vm.wait_for(r"\] steady: step beat 25: done");
    assert!(!vm.has_printed(r"no heartbeat"), "{:?}", vm.transcript);
}

fn app_that_listens_is_told_before_it_is_stopped(board: Board) {
    let events = "events: [shutdown]\n";
    let image = Steps::new(board)
        .app("polite", &["listen", "event 100", "wait 1"], events)
        .app("slow", &["listen", "event 100", "hang"], events)
        .app("deaf", &["listen", "hang"], "")
        .build();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r#"\] deaf: step listen: denied: listen for events — add "shutdown" under events in deaf"#);
    while !["polite", "slow"].iter().all(|app| vm.has_printed(&format!(r"\] {app}: step listen: done"))) {
        vm.wait_for(r"\] (polite|slow): step listen: done");
    }
    vm.device(&image, &["stop", "polite"]);
    vm.wait_for(r"\] polite: step event 100: shutdown");
    // It puts its things in order for a second; SIGTERM, for which it has no handler, comes at the end of it.
    vm.wait_for(r"\] polite: stopped \((exited with code 0|ended by signal 15 \(SIGTERM\))\)");
    vm.device(&image, &["power-off"]);
    vm.wait_for(r"\] slow: step event 100: shutdown");
    vm.wait_for(r"\] slow: stopped \(ended by signal 15 \(SIGTERM\)\)");
    assert_eq!(vm.wait(), Some(0));
}

fn recorder_writes_what_it_has_before_the_device_goes_down(board: Board) {
    let image = demo_on(board).copy();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] reporter: [1-9]\d* samples");
    vm.device(&image, &["power-off"]);
    let kept = vm.wait_for_number(r"\] recorder: (\d+) samples kept, all on the disk");
    vm.wait_for(r"\] recorder: stopped \(exited with code 0\)");
    assert_eq!(vm.wait(), Some(0));
    let mut vm = Vm::start(&image, &[]);
    assert_eq!(vm.wait_for_number(r"\] recorder: (\d+) samples kept from 1 boots"), kept);
}

crate::on_each_board! {
    app_that_misses_its_heartbeat_is_started_again_until_its_limit,
    app_that_floods_the_os_with_heartbeats_costs_itself_only,
    app_that_listens_is_told_before_it_is_stopped,
    recorder_writes_what_it_has_before_the_device_goes_down,
}
