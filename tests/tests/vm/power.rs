//! Restarts and power cuts: what was kept stays.

use nacre_tests::image::{Board, demo_on};
use nacre_tests::nacre::judge;
use nacre_tests::vm::Vm;

/// Samples that a power cut may cost: recorder forces them to the disk every 5.
const AT_RISK: u64 = 6;

fn recorder_goes_on_after_a_reboot(board: Board) {
    let image = demo_on(board).copy();
    let mut vm = Vm::start(&image, &[]);
    // Recorder tells a boot by its smaller uptime: the first one lasts longer than the second one's start.
    let mut before = 0;
    while before < 20 {
        before = vm.wait_for_number(r"\] reporter: (\d+) samples of 1 boots");
    }
    vm.device(&image, &["reboot"]);
    vm.wait_for("init: restarting");
    let kept = vm.wait_for_number(r"\] recorder: (\d+) samples kept from 1 boots");
    assert!(kept >= before, "{kept} of {before} kept");
    vm.wait_for(r"\] reporter: \d+ samples of 2 boots");
    vm.device(&image, &["power-off"]);
    assert_eq!(vm.wait(), Some(0));
}

fn recorder_power_cut_while_writing_keeps_its_data(board: Board) {
    let image = demo_on(board).copy();
    let mut before = 0;
    for boot in 1..=3 {
        let mut vm = Vm::start(&image, &[]);
        let kept = vm.wait_for_number(r"\] recorder: (\d+) samples kept");
        assert!(kept + AT_RISK >= before, "boot {boot}: {kept} of {before} kept");
        // Two reports later at least five more samples were written, and one is being written every second.
        vm.wait_for(r"\] reporter: (\d+) samples");
        before = vm.wait_for_number(r"\] reporter: (\d+) samples");
        assert!(before > kept, "boot {boot}: {before} after {kept}");
        vm.cut_power();
    }
    // After the last cut the journal is not replayed yet; e2fsck replays it and must find nothing else.
    let partition = crate::judges::data_partition(&image, "run/disk.img");
    judge("e2fsck", &["-fp", &partition.path().to_string_lossy()]);
    judge("e2fsck", &["-fn", &partition.path().to_string_lossy()]);
}

crate::on_each_board! {
    recorder_goes_on_after_a_reboot,
    recorder_power_cut_while_writing_keeps_its_data,
}
