//! The demo image starts and does its work, in the memory that it is stated for.

use nacre_tests::image::{Board, demo_on};
use nacre_tests::nacre::run;
use nacre_tests::vm::Vm;

fn demo_in_its_memory_shows_the_chart(board: Board) {
    let image = demo_on(board).copy();
    let mut vm = Vm::start(&image, &["--memory", board.memory]);
    vm.wait_for("appmgr: .*SIGNED WITH DEVELOPMENT KEYS");
    vm.wait_for(r"\] reporter: cpu +\d+%  \|.*\|$");
    vm.wait_for(r"\] reporter: mem +\d+%  \|.*\|$");
    let samples = vm.wait_for_number(r"\] reporter: (\d+) samples of 1 boots, up \d+ s$");
    assert!(samples > 0, "{samples} samples");
    vm.wait_for(r"\] reporter: apps: .*recorder running .*reporter running");
    let info = vm.device(&image, &["info", "--json"]);
    let info: serde_json::Value = serde_json::from_str(&info).expect("--json prints JSON");
    assert_eq!(info["image"], "demo");
    assert!(!vm.has_printed("(?i)kernel panic|out of memory|oom"), "{:?}", vm.transcript);
}

fn run_expected_line_comes_exits_0_and_never_comes_exits_75(board: Board) {
    let image = demo_on(board).copy();
    let found = run(&["run", image.arg(), "--timeout", "120s", "--expect", r"appmgr: demo .* for "]);
    assert_eq!(found.status.code(), Some(0), "{}", nacre_tests::nacre::text(&found));
    let missed = run(&["run", image.arg(), "--timeout", "3s", "--expect", "a line that nobody prints"]);
    assert_eq!(missed.status.code(), Some(75), "{}", nacre_tests::nacre::text(&missed));
}

fn run_disk_in_use_is_refused(board: Board) {
    let image = demo_on(board).copy();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for("appmgr: demo");
    let second = run(&["run", image.arg(), "--timeout", "5s"]);
    assert_eq!(second.status.code(), Some(75), "{}", nacre_tests::nacre::text(&second));
}

crate::on_each_board! {
    demo_in_its_memory_shows_the_chart,
    run_expected_line_comes_exits_0_and_never_comes_exits_75,
    run_disk_in_use_is_refused,
}
