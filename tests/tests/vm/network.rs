mod host;
mod image;
use host::Host;
use nacre_tests::image::Board;
use nacre_tests::vm::Vm;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
struct Tried {
    said: BTreeMap<String, String>,
    heard: BTreeSet<String>,
}

fn try_all(board: Board, layers_off: &[&str], how: &str) -> Tried {
    let host = Host::start();
    let image = image::image(board, &host, layers_off, how);
    let t = std::time::Instant::now();
    let mut vm = Vm::start_with_ports(&image, &[host.open, host.other], &[]);
    let (mut a, mut b) = (false, false);
    while !(a && b) {
        let g = vm.wait_for(r"\] (netprobe|netless): (all|some) attempts");
        if g[1] == "netprobe" { a = true } else { b = true }
    }
    println!("{:?}", t.elapsed());
    for l in &vm.transcript {
        println!("{l}");
    }
    let line = Regex::new(r"\] (netprobe|netless): attempt ([\w-]+): (.*)$").expect("valid");
    let pairs = vm.transcript.iter().filter_map(|text| line.captures(text));
    let said = pairs.map(|pair| (format!("{} {}", &pair[1], &pair[2]), pair[3].trim().to_owned())).collect();
    Tried { said, heard: host.heard() }
}
const SANDBOX: [&str; 6] = ["uid", "user-namespace", "capabilities", "no-new-privs", "landlock", "seccomp"];

fn sealed(board: Board) {
    let t = try_all(board, &[], "everywhere");
    println!("{t:#?}");
}
fn filter(board: Board) {
    let t = try_all(board, &SANDBOX, "everywhere");
    println!("{t:#?}");
}
fn open(board: Board) {
    let t = try_all(board, &[&SANDBOX[..], &["packet-filter"]].concat(), "within");
    println!("{t:#?}");
}
crate::on_each_board! { sealed, filter, open }
