//! The power goes while a package is installed: one of the two is whole in its place, and runs.

use std::thread;
use std::time::{Duration, Instant};

use nacre_tests::image::Board;
use nacre_tests::nacre::{judge, nacre};
use nacre_tests::steps::Steps;
use nacre_tests::vm::Vm;

use super::packages::{Packages, arg};
use super::{App, PLAIN, states};

/// Cuts in one installation, spread over its length.
const CUTS: u32 = 6;

fn package_installed_while_the_power_goes_is_the_old_one_or_the_new_one(board: Board) {
    let image = Steps::new(board).build();
    let packages = Packages::new(board);
    // Large enough that a cut meets its transfer, its hashing and its way to its place.
    let version = |number| packages.make(App { number, ballast: 600, ..PLAIN });
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] appmgr: ");
    let begin = Instant::now();
    vm.device(&image, &["install", arg(&version(1))]);
    let length = begin.elapsed();
    let mut installed = 1;
    let mut news = 0;
    for cut in 1..=CUTS {
        let next = installed + 1;
        let package = version(next);
        let mut install = nacre()
            .args(["device", "--dir", image.arg(), "install", arg(&package)])
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("nacre starts");
        thread::sleep(length.mul_f64(f64::from(cut) / f64::from(CUTS)));
        vm.cut_power();
        let done = install.wait().expect("the child is ours").success();
        vm = Vm::start(&image, &[]);
        vm.wait_for(r"\] guest: started");
        let found = states(&vm, &image);
        let [(_, version, state)] = found.as_slice() else { panic!("cut {cut}: {found:?}") };
        assert_eq!(state, "running", "cut {cut}");
        let number: u64 = version.rsplit('.').next().and_then(|n| n.parse().ok()).expect("a version");
        // What was said to be installed is; what was not may be.
        assert!(
            number == next || (number == installed && !done),
            "cut {cut}: {number} of {next}, done: {done}"
        );
        news += u32::from(number == next);
        installed = number;
    }
    eprintln!("{news} of {CUTS} cuts came after the exchange; one installation takes {length:?}");
    // Nothing of what was cut short is left, and the next one is installed.
    vm.device(&image, &["install", arg(&version(installed + 1))]);
    vm.wait_for(r"\] guest: started");
    vm.device(&image, &["power-off"]);
    assert_eq!(vm.wait(), Some(0));
    thread::sleep(Duration::from_millis(100));
    let partition = crate::judges::data_partition(&image, "run/disk.img");
    let partition = partition.path().to_string_lossy().into_owned();
    judge("e2fsck", &["-fn", &partition]);
    let names = judge("debugfs", &["-R", "ls -p /", &partition]);
    assert!(names.contains("packages") && !names.contains("incoming"), "{names}");
}

crate::on_each_board! {
    package_installed_while_the_power_goes_is_the_old_one_or_the_new_one,
}
