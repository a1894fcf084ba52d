//! A production image, and the device capability without which it takes no package.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nacre_tests::image::{Board, Image, OWN_KEYS};
use nacre_tests::nacre::text;
use nacre_tests::steps::Steps;
use nacre_tests::vm::Vm;

use super::packages::{Packages, arg};
use super::{App, PLAIN, refused, row, states};

/// Id and nonce of a running device.
fn identity(vm: &Vm, image: &Image) -> (String, String) {
    let info: serde_json::Value = serde_json::from_str(&vm.device(image, &["--json", "info"])).expect("JSON");
    let text = |name: &str| info[name].as_str().expect("a text").to_owned();
    (text("device"), text("nonce"))
}

fn sign(image: &Image, file: &Path, id: &str, nonce: &str, lasts: &[&str]) {
    let mut command = image.nacre();
    command.args(["device", "capability", "new", "--device", id, "--nonce", nonce, "--allow", "sideload"]);
    command.args(["--keys", OWN_KEYS, "--out"]).arg(file).args(lasts);
    let made = command.output().expect("nacre starts");
    assert!(made.status.success(), "{}", text(&made));
}

fn production_image_takes_packages_with_its_own_capability_until_that_ends(board: Board) {
    let image = Steps::new(board).app("host", &["hang"], "").production().build();
    let packages = Packages::new(board).with_keys_of(&image);
    let package = |number| packages.make(App { number, ..PLAIN });
    let file = packages.folder().join("device.cap");
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] host: started");
    let first = package(1);
    let (id, nonce) = identity(&vm, &image);
    assert_eq!((id.len(), nonce.len()), (64, 32));

    // Without one; with one for another device, with another nonce, by another key.
    refused(&vm, &image, &["install", arg(&first)], 64, "this is a production image");
    refused(&vm, &image, &["remove", "host"], 64, "this is a production image");
    sign(&image, &file, &"ab".repeat(32), &nonce, &[]);
    refused(
        &vm,
        &image,
        &["install", arg(&first), "--capability", arg(&file)],
        64,
        "it is for the device abab",
    );
    sign(&image, &file, &id, &"cd".repeat(16), &[]);
    refused(&vm, &image, &["install", arg(&first), "--capability", arg(&file)], 64, "answers another nonce");
    sign(&image, &file, &id, &nonce, &["--boots", "2", "--uptime", "30m"]);
    let good = fs::read(&file).expect("it was made");
    let mut forged = good.clone();
    // In the payload, before the signature's 64 bytes: another number of boots.
    let at = forged.len() - 66 - 5;
    forged[at] ^= 1;
    fs::write(&file, forged).expect("the folder is ours");
    let (code, said) = super::said(&vm.try_device(&image, &["capability", "present", arg(&file)]));
    assert_eq!(code, Some(69), "{said}");
    assert_eq!(states(&vm, &image), [row("host", "0.1.0", "running")]);

    // The right one works, once presented, until its last boot is over. The power may go meanwhile.
    fs::write(&file, &good).expect("the folder is ours");
    vm.device(&image, &["install", arg(&first), "--capability", arg(&file)]);
    vm.wait_for(r"\] guest: started");
    refused(&vm, &image, &["capability", "present", arg(&file)], 64, "it was presented before");
    vm.device(&image, &["install", arg(&package(2))]);
    vm.cut_power();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] guest: started");
    assert_eq!(identity(&vm, &image).0, id);
    assert!(vm.device(&image, &["info"]).contains("allowed for this boot and "));
    vm.device(&image, &["install", arg(&package(3))]);
    vm.cut_power();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] appmgr: the device capability is over");
    refused(&vm, &image, &["install", arg(&package(4))], 64, "this is a production image");
    refused(&vm, &image, &["capability", "present", arg(&file)], 64, "it was presented before");

    // A short one ends while the device is up.
    let (id, nonce) = identity(&vm, &image);
    sign(&image, &file, &id, &nonce, &["--uptime", "5s"]);
    vm.device(&image, &["capability", "present", arg(&file)]);
    vm.wait_for(r"\] appmgr: the device capability is over");
    refused(&vm, &image, &["install", arg(&package(5))], 64, "this is a production image");
    std::thread::sleep(Duration::from_millis(200));
    // What came under one stays and runs.
    assert!(states(&vm, &image).contains(&row("guest", "0.1.3", "running")));
}

crate::on_each_board! {
    production_image_takes_packages_with_its_own_capability_until_that_ends,
}
