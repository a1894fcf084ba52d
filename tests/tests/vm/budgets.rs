//! What the image may take, as docs/SPECIFICATION.md states it; `--nocapture` prints what it takes.

use std::fs;

use nacre_tests::image::demo;
use nacre_tests::vm::Vm;
use serde_json::Value;

/// Bytes of one slot without apps: kernel, root filesystem, hash tree, envelope.
const SLOT: u64 = 2_700_000;
/// Bytes of the whole disk, with three apps on it.
const DISK: u64 = 16 << 20;
/// KiB that the running demo leaves free in 24 MiB.
const FREE_KIB: u64 = 8 * 1024;

/// Of the microcontroller profile: the other boards have no budgets.
#[test]
fn image_and_running_system_stay_within_their_budgets() {
    let image = demo().copy();
    let inspected = image.inspect();
    let apps = inspected["apps"].as_array().expect("apps");
    let apps: Vec<_> = apps.iter().filter_map(|app| app["app"].as_str()).collect();
    assert_eq!(apps, ["org.nacre.panel", "org.nacre.recorder", "org.nacre.reporter"]);
    let sizes = fs::read_to_string(image.dir().join("sizes.json")).expect("sizes.json is there");
    let sizes: Value = serde_json::from_str(&sizes).expect("sizes.json is JSON");
    let slot = sizes["slot_bytes_without_apps"].as_u64().expect("a number");
    assert_eq!(inspected["slot_bytes_without_apps"], slot, "sizes.json and inspect disagree");
    let disk = fs::metadata(image.dir().join("disk.img")).expect("a disk").len();
    println!("slot without apps: {slot} bytes of {SLOT}");
    println!("whole disk with {} apps: {disk} bytes of {DISK}", apps.len());
    assert!(slot <= SLOT && disk <= DISK);

    let mut vm = Vm::start(&image, &["--memory", "24M"]);
    vm.wait_for(r"\] reporter: apps:");
    let info: Value = serde_json::from_str(&vm.device(&image, &["info", "--json"])).expect("JSON");
    let free = info["memory_available_kib"].as_u64().expect("a number");
    println!("available in 24 MiB with the demo running: {free} KiB");
    assert!(free >= FREE_KIB, "{free} KiB available, {FREE_KIB} wanted");
}
