//! `nacre run --forward` as a user meets it: what is said before anything is started.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nacre_image_builder::disk::{self, Layout};
use nacre_image_builder::keys::{KeyStore, Role};
use nacre_image_builder::slot;
use nacre_verify::digest::Digest;
use nacre_verify::slot::{Contents, Parts, Slot};
use nacre_verify::target::{Arch, Profile};

const BOARD: &str = "\
board: bench
arch: armv7
kernel: { fragments: [base.config], image: zImage }
cmdline: console=ttyAMA0
disk: { size: 8MiB, slot: 1MiB }
memory: { default: 24MiB }
qemu:
  program: qemu-system-fake
  package: qemu-system-arm
  disk-device: virtio-blk-device
  serial-device: virtio-serial-device
";
const CARD: &str = "  network-device: virtio-net-device\n";

/// What QEMU says in this test: it shows its arguments and ends.
const QEMU: &str = "#!/bin/sh\necho \"arguments: $*\" >&2\nexit 1\n";

/// A signed image for a board, and a QEMU that starts nothing.
struct Image(tempfile::TempDir);

impl Image {
    fn new(board: &str) -> Self {
        let image = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(image.path("out")).unwrap();
        let keys = KeyStore::at(image.path("keys")).load_or_create_development("development").unwrap().0;
        let contents = Contents { rootfs: &[3; 8192], kernel: &[7; 100], device_tree: &[] };
        let slot = Slot {
            image: "tiny".into(),
            version: "1.0.0".into(),
            rollback_index: 1,
            profile: Profile::Development,
            board: "bench".into(),
            arch: Arch::Armv7,
            slot_bytes: 1 << 20,
            parts: Parts::of(&contents),
            arguments: "console=ttyAMA0".into(),
            critical: vec![],
            board_digest: Digest::of(board.as_bytes()),
        };
        let (_, bytes) = slot::assemble(slot, &contents, &keys, &keys.private(Role::Os).unwrap()).unwrap();
        let layout = Layout::new(8 << 20, 1 << 20).unwrap();
        let data = tempfile::tempfile().unwrap();
        disk::write(&image.path("out/disk.img"), &layout, "bench", "tiny", &bytes, &data).unwrap();
        fs::write(image.path("out/board.yaml"), board).unwrap();
        fs::write(image.path("qemu-system-fake"), QEMU).unwrap();
        fs::set_permissions(image.path("qemu-system-fake"), fs::Permissions::from_mode(0o755)).unwrap();
        image
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nacre"));
        command.current_dir(self.0.path()).args(["run", "out"]).args(options).env("NO_COLOR", "1");
        command.env("NACRE_KEYS", self.path("keys")).env("NACRE_CACHE", self.path("cache"));
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.0.path().display()));
        command
    }

    fn run(&self, options: &[&str]) -> (Option<i32>, String) {
        let output = self.command(options).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Expects this exit code and each of these texts, and that QEMU was not started.
    fn refused(&self, options: &[&str], exit: i32, texts: &[&str]) {
        let (code, said) = self.run(options);
        assert_eq!(code, Some(exit), "{options:?}: {said}");
        assert!(!said.contains("arguments: "), "{options:?}: {said}");
        for text in texts {
            assert!(said.contains(text), "{options:?}: no `{text}` in:\n{said}");
        }
    }
}

#[test]
fn forward_that_is_none_is_wrong_usage() {
    let image = Image::new(&format!("{BOARD}{CARD}"));
    let cases: [(&[&str], &str); 7] = [
        (&["--forward", "8080"], "write it like 8080:80"),
        (&["--forward", "localhost:8080:80"], "`localhost` is not an IPv4 address"),
        (&["--forward", "70000:80"], "`70000` is not a port of this machine"),
        (&["--forward", "8080:0"], "`0` is not a port of the device"),
        (&["--forward", "8080:80,guestfwd=x"], "`80,guestfwd=x` is not a port of the device"),
        (&["--forward", "0:80", "--offline"], "cannot be used with"),
        (
            &["--forward", "47113:80", "--forward", "47113:81"],
            "two forwards begin at port 47113 of 127.0.0.1",
        ),
    ];
    for (options, text) in cases {
        image.refused(options, 2, &[text]);
    }
}

#[test]
fn forward_of_a_port_in_use_says_how_to_choose_another() {
    let image = Image::new(&format!("{BOARD}{CARD}"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let in_use = format!("port {port} of 127.0.0.1 is in use");
    image.refused(&["--forward", &format!("{port}:80")], 75, &[&in_use, "hint: ", "--forward 0:80"]);
    image.refused(&["--forward", "192.0.2.1:0:80"], 66, &["192.0.2.1 is not an address of this machine"]);
}

#[test]
fn forward_of_a_port_that_is_taken_in_the_last_moment_is_told_the_same_way() {
    let image = Image::new(&format!("{BOARD}{CARD}"));
    // QEMU comes too late: it waits until the test has taken the port.
    let qemu = "#!/bin/sh\necho \"$*\" >line.new; mv line.new line\n\
        while [ ! -e taken ]; do sleep 0.02; done\necho no rule >&2; exit 1\n";
    fs::write(image.path("qemu-system-fake"), qemu).unwrap();
    let mut command = image.command(&["--forward", "0:80"]);
    let running = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    let line = loop {
        match fs::read_to_string(image.path("line")) {
            Ok(line) => break line,
            Err(_) => assert!(Instant::now() < until, "QEMU was not started"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let address = line.split("hostfwd=tcp:").nth(1).and_then(|rest| rest.split('-').next()).unwrap();
    let _taken = TcpListener::bind(address).unwrap();
    fs::write(image.path("taken"), "").unwrap();
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("is in use") && said.contains("--forward 0:80"), "{said}");
}

#[test]
fn forward_to_a_board_without_network_card_is_refused() {
    let image = Image::new(BOARD);
    let texts = ["the board `bench` has no network card", "hint: ", "network-device: "];
    image.refused(&["--forward", "0:80"], 65, &texts);
}

#[test]
fn forward_gives_the_machine_a_card_and_its_rules() {
    let image = Image::new(&format!("{BOARD}{CARD}"));
    let (_, said) = image.run(&["--forward", "0:80", "--forward", "udp:0:53"]);
    let chosen = |line: &str| -> Option<(String, String)> {
        let (address, rest) = line.strip_prefix("notice: ")?.split_once(" leads to port ")?;
        Some((address.to_owned(), rest.to_owned()))
    };
    let chosen: Vec<_> = said.lines().filter_map(chosen).collect();
    let [(tcp, first), (udp, second)] = chosen.as_slice() else { panic!("{said}") };
    assert_eq!((first.as_str(), second.as_str()), ("80 of the device (tcp)", "53 of the device (udp)"));
    let rules = format!("-netdev user,id=network,ipv6=off,hostfwd=tcp:{tcp}-:80,hostfwd=udp:{udp}-:53 ");
    assert!(said.contains(&rules), "{said}");
    assert!(said.contains("virtio-net-device,netdev=network"), "{said}");
    assert!(said.contains("no app of the image has `network`"), "{said}");

    for options in [&["--offline"] as &[&str], &[]] {
        let (_, said) = image.run(options);
        assert!(said.contains("arguments: ") && !said.contains("netdev"), "{options:?}: {said}");
    }
}
