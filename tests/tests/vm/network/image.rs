//! Images with the program that tries the network, and with the ports of this run in their manifests.

use std::fs;
use std::net::Ipv4Addr;

use nacre_manifest::apps_network::app_address;
use nacre_tests::image::{Board, Image, build, build_in};
use nacre_tests::nacre::root;
use tempfile::TempDir;

use super::host::Host;

/// Apps are numbered in the order of their names: netless, netpeer, netprobe.
const NETPEER: u8 = 1;

/// Three apps with one program; `layers_off` as in a recipe.
pub(crate) fn image(board: Board, host: &Host, layers_off: &[&str], how: &str) -> Image {
    let program = build("tests/images/network.yaml", board).program("org.nacre.netprobe", "netprobe");
    let folder = TempDir::new_in(root().join("target/vm")).expect("target is writable");
    let (open, other) = (host.open, host.other);
    let peer = Ipv4Addr::from(app_address(NETPEER));
    let tries = format!("try, \"{open}\", \"{other}\", {peer}, {how}");
    let testing = match layers_off {
        [] => String::new(),
        layers => format!("testing: {{ layers-off: [{}] }}\n", layers.join(", ")),
    };
    let recipe = format!(
        "image: network\nversion: 0.1.0\nrollback-index: 1\nprofile: development\nboard: {}\n\
         apps: [netprobe, netless, netpeer]\n{testing}",
        board.name
    );
    fs::write(folder.path().join("network.yaml"), recipe).expect("the folder is new");
    for (app, arguments, network) in [
        ("netprobe", &tries, format!("network: {{ connect: [\"tcp:10.0.2.2:{open}\"] }}\n")),
        ("netless", &tries, String::new()),
        (
            "netpeer",
            &format!("answer, \"{open}\""),
            format!("network: {{ listen: [\"tcp:{open}\", \"udp:{open}\"] }}\n"),
        ),
    ] {
        let app_folder = folder.path().join(app);
        fs::create_dir(&app_folder).expect("the folder is new");
        fs::write(app_folder.join("netprobe"), &program).expect("the folder is new");
        let manifest = format!(
            "app: org.nacre.{app}\nversion: 0.1.0\nbuild: none\nrun: [/app/bin/netprobe, {arguments}]\n\
             files: {{ /app/bin/netprobe: netprobe }}\nrestart: {{ policy: never }}\n\
             limits: {{ memory: 4MiB, tasks: 64, cpu: 100%, open-files: 128, tmp: 16KiB }}\n{network}"
        );
        fs::write(app_folder.join("nacre.yaml"), manifest).expect("the folder is new");
    }
    build_in(folder, "network.yaml", board)
}
