//! One wrong byte anywhere, and nothing starts.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;

use nacre_tests::image::{ARMV7, Board, Image, demo_on};
use nacre_tests::nacre::{nacre, run, text};

/// What the console of a device says that has come as far as its apps.
const HEALTHY: &str = "recorder: started (pid ";

/// Offset, and the part that has to be named, for a byte at the start, in the middle and at the end of each part.
fn victims(image: &Image) -> Vec<(u64, &'static str)> {
    const ENVELOPE: u64 = 64 * 1024;
    let mut victims = Vec::new();
    let mut end = 0;
    for name in ["root filesystem", "hash tree", "kernel", "device tree"] {
        let (offset, bytes) = image.part(name);
        if bytes > 0 {
            victims.extend([offset, offset + bytes / 2, offset + bytes - 1].map(|at| (at, name)));
            end = end.max(offset + bytes);
        }
    }
    let (padding, _) = image.part("envelope");
    victims.extend([end, (end + padding) / 2, padding - 1].map(|at| (at, "padding")));
    // Magic, lengths, key set and slot envelope at the front of the area; zeros behind them.
    victims.extend([0, 9, 13, 40, 200, 600, 30_000, ENVELOPE - 1].map(|at| (padding + at, "envelope")));
    victims
}

fn slot_with_any_byte_flipped_is_refused_by_verify_and_run(board: Board) {
    let image = demo_on(board).copy();
    let good = run(&["image", "verify", &image.file("slot.img")]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
    for (offset, part) in victims(&image) {
        image.flip("slot.img", offset);
        let output = run(&["image", "verify", &image.file("slot.img")]);
        assert_eq!(output.status.code(), Some(69), "byte {offset}, {part}: {}", text(&output));
        assert!(text(&output).contains(part), "byte {offset}: `{part}` is not named: {}", text(&output));
        image.flip("slot.img", offset);
    }
    let good = run(&["image", "verify", &image.file("slot.img")]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
}

fn disk_with_a_byte_flipped_is_refused_by_run(board: Board) {
    let image = demo_on(board).copy();
    let (slot_at, ..) = image.partition("slot-a");
    for (offset, part) in victims(&image).into_iter().step_by(4) {
        image.flip("disk.img", slot_at + offset);
        let output = run(&["run", image.arg(), "--fresh", "--timeout", "60s", "--expect", "init:"]);
        assert_eq!(output.status.code(), Some(69), "byte {offset}, {part}: {}", text(&output));
        assert!(text(&output).contains(part), "byte {offset}: `{part}` is not named: {}", text(&output));
        image.flip("disk.img", slot_at + offset);
    }
}

fn slot_truncated_or_signed_by_another_key_is_refused(board: Board) {
    let image = demo_on(board).copy();
    let path = image.dir().join("slot.img");
    let whole = fs::read(&path).expect("a slot");
    for length in [0, 1, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).expect("writable");
        let output = run(&["image", "verify", &image.file("slot.img")]);
        assert!(matches!(output.status.code(), Some(65 | 69)), "{length} bytes: {}", text(&output));
    }
    fs::write(&path, whole).expect("writable");
    let keys = tempfile::tempdir().expect("a temporary folder");
    let other =
        nacre().env("NACRE_KEYS", keys.path()).args(["key", "new", "development"]).output().expect("starts");
    assert!(other.status.success(), "{}", text(&other));
    let output = nacre()
        .env("NACRE_KEYS", keys.path())
        .args(["image", "verify", image.arg()])
        .output()
        .expect("starts");
    assert_eq!(output.status.code(), Some(69), "{}", text(&output));
}

/// Boots the disk with QEMU by hand, past every check of ours, and returns what the console said.
fn boot_by_hand(image: &Image, board: Board) -> String {
    let (program, machine) = if board == ARMV7 {
        ("qemu-system-arm", ["-M", "virt,highmem=off", "-cpu", "cortex-a7"])
    } else {
        ("qemu-system-x86_64", ["-M", "q35", "-cpu", "max"])
    };
    let (offset, bytes) = image.part("kernel");
    let range = usize::try_from(offset).expect("fits")..usize::try_from(offset + bytes).expect("fits");
    let slot = fs::read(image.dir().join("slot.img")).expect("a slot");
    let kernel = image.dir().join("kernel");
    fs::write(&kernel, &slot[range]).expect("writable");
    let (_, _, uuid) = image.partition("slot-a");
    let inspected = image.inspect();
    let cmdline = inspected["command_line"].as_str().expect("a command line");
    let cmdline = cmdline.replace("@SLOT@", &format!("PARTUUID={uuid}"));
    // timeout(1) ends a machine that neither gets there nor restarts.
    let mut child = Command::new("timeout")
        .args(["180", program])
        .args(machine)
        .args(["-m", board.memory, "-nic", "none"])
        .args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-kernel"])
        .arg(&kernel)
        .args(["-append", &format!("{cmdline} nacre.slot=a")])
        .args(["-drive", &format!("if=none,id=d,format=raw,snapshot=on,file={}", image.file("disk.img"))])
        .args(["-device", "virtio-blk-pci,drive=d"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("QEMU starts");
    let mut console = String::new();
    // It ends by itself when the kernel restarts; a healthy system would run on.
    for line in BufReader::new(child.stdout.take().expect("a pipe")).split(b'\n').map_while(Result::ok) {
        console.push_str(&String::from_utf8_lossy(&line));
        console.push('\n');
        if console.contains(HEALTHY) {
            nacre_tests::nacre::judge("kill", &[&child.id().to_string()]);
            break;
        }
    }
    child.wait().expect("the child is ours");
    console
}

fn corrupt_block_behind_the_verifier_is_a_panic_and_a_restart(board: Board) {
    let image = demo_on(board).copy();
    let console = boot_by_hand(&image, board);
    assert!(console.contains(HEALTHY), "the control does not boot:\n{console}");
    assert!(!console.contains("Kernel panic"), "{console}");
    // The first block holds the superblock: every boot reads it.
    let (slot, ..) = image.partition("slot-a");
    image.flip("disk.img", slot + 40);
    let console = boot_by_hand(&image, board);
    assert!(console.contains("is corrupted"), "{console}");
    assert!(console.contains("Kernel panic") && console.contains("Rebooting"), "{console}");
    assert!(!console.contains("Run /sbin/init"), "it went on:\n{console}");
}

crate::on_each_board! {
    slot_with_any_byte_flipped_is_refused_by_verify_and_run,
    disk_with_a_byte_flipped_is_refused_by_run,
    slot_truncated_or_signed_by_another_key_is_refused,
    corrupt_block_behind_the_verifier_is_a_panic_and_a_restart,
}
