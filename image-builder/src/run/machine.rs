//! The command line of QEMU for a board.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nacre_manifest::board::Board;

use super::forward::Forward;
use super::uart::{UartEnd, UartPlug};

/// What runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// QEMU's own translation: works everywhere.
    Tcg,
    /// The host's processor.
    Kvm,
}

/// Files and sockets of one VM, in a private folder with a short path.
#[derive(Debug)]
pub(crate) struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    /// Makes the folder, with mode 0700. A socket's path has at most 108 bytes (`unix(7)`), so a long
    /// `TMPDIR` is not used.
    pub(crate) fn new() -> std::io::Result<Self> {
        const LONGEST: usize = 70;
        let usual = std::env::temp_dir();
        let parent = if usual.as_os_str().len() <= LONGEST { usual } else { PathBuf::from("/tmp") };
        Ok(Self { folder: tempfile::Builder::new().prefix("nacre-").tempdir_in(parent)? })
    }

    /// The kernel.
    pub(crate) fn kernel(&self) -> PathBuf {
        self.folder.path().join("kernel")
    }

    /// The device tree.
    pub(crate) fn device_tree(&self) -> PathBuf {
        self.folder.path().join("device-tree")
    }

    /// QEMU's control socket.
    pub(crate) fn control(&self) -> PathBuf {
        self.folder.path().join("control")
    }

    /// QEMU's second control socket: about the forwarded ports.
    pub(crate) fn ports(&self) -> PathBuf {
        self.folder.path().join("ports")
    }

    /// QEMU's end of the device channel.
    pub(crate) fn port(&self) -> PathBuf {
        self.folder.path().join("port")
    }

    /// The shared device channel.
    pub(crate) fn device(&self) -> PathBuf {
        self.folder.path().join("device.sock")
    }
}

/// What differs between one start and another.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// The disk.
    pub(crate) disk: &'a Path,
    /// Memory in MiB.
    pub(crate) memory_mib: u64,
    /// The kernel's command line.
    pub(crate) command_line: &'a str,
    /// Whether the slot has a device tree.
    pub(crate) has_device_tree: bool,
    /// Ports that lead to the device; without a list it has no network card.
    pub(crate) network: Option<&'a [Forward]>,
    /// Serial ports for apps that lead somewhere.
    pub(crate) uarts: &'a [UartPlug],
    /// Where what passes the network card is kept, in the format of pcap.
    pub(crate) capture: Option<&'a Path>,
    /// What runs the guest.
    pub(crate) accelerator: Accelerator,
}

/// QEMU's arguments: the board's, then those that every VM has. It starts paused and ends instead of
/// restarting the guest, so that nothing starts unverified.
pub(crate) fn arguments(board: &Board, files: &Files, start: &Start<'_>) -> Vec<OsString> {
    let mut line: Vec<OsString> = board.qemu.args.iter().map(OsString::from).collect();
    let mut add = |words: &[&str]| line.extend(words.iter().map(OsString::from));
    add(&["-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot", "-S"]);
    add(&[
        "-accel",
        match start.accelerator {
            Accelerator::Tcg => "tcg",
            Accelerator::Kvm => "kvm",
        },
    ]);
    add(&["-m", &format!("{}M", start.memory_mib)]);
    add(&["-append", start.command_line]);
    add(&["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]);
    add(&["-device", &format!("{},drive=disk", board.qemu.disk_device)]);
    add(&["-device", &board.qemu.serial_device]);
    add(&["-device", "virtserialport,chardev=device,name=nacre.device"]);
    add(&["-mon", "chardev=control,mode=control"]);
    let card = start.network.zip(board.qemu.network_device.as_ref());
    if let Some((forwards, device)) = card {
        // After the disk and the channel, whose addresses stay what they are without a card.
        let rules = forwards.iter().map(|forward| format!(",hostfwd={}", forward.rule()));
        add(&["-netdev", &format!("user,id=network,ipv6=off{}", rules.collect::<String>())]);
        add(&["-device", &format!("{device},netdev=network")]);
        add(&["-mon", "chardev=ports,mode=control"]);
    }
    let uart = |name: &str| start.uarts.iter().find(|plug| plug.name == name).map(|plug| &plug.end);
    for (name, device) in &board.qemu.uart_devices {
        // Last of all, for the same reason.
        add(&["-device", &format!("{device},chardev=uart-{name}")]);
        if uart(name).is_none() {
            add(&["-chardev", &format!("null,id=uart-{name}")]);
        }
    }
    let mut add_path = |option: &str, before: &str, path: &Path| {
        line.push(option.into());
        line.push(with_path(before, path));
    };
    add_path("-drive", "if=none,id=disk,format=raw,file=", start.disk);
    add_path("-chardev", "socket,id=control,server=on,wait=off,path=", &files.control());
    add_path("-chardev", "socket,id=device,server=on,wait=off,path=", &files.port());
    for name in board.qemu.uart_devices.keys() {
        match uart(name) {
            Some(UartEnd::Socket(path)) => {
                add_path("-chardev", &format!("socket,id=uart-{name},server=on,wait=off,path="), path);
            }
            Some(UartEnd::File(path)) => {
                add_path("-chardev", &format!("file,id=uart-{name},append=on,path="), path);
            }
            None => {}
        }
    }
    if let (Some(_), Some(capture)) = (card, start.capture) {
        add_path("-object", "filter-dump,id=capture,netdev=network,maxlen=2048,file=", capture);
    }
    if card.is_some() {
        add_path("-chardev", "socket,id=ports,server=on,wait=off,path=", &files.ports());
    }
    line.extend(["-kernel".into(), files.kernel().into_os_string()]);
    if start.has_device_tree {
        line.extend(["-dtb".into(), files.device_tree().into_os_string()]);
    }
    line
}

/// An option of QEMU that ends with a path, in which a comma is written twice.
fn with_path(option: &str, path: &Path) -> OsString {
    let mut out = option.as_bytes().to_vec();
    for &byte in path.as_os_str().as_bytes() {
        out.push(byte);
        if byte == b',' {
            out.push(byte);
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_begin_with_the_boards_and_never_restart_by_themselves() {
        let board = nacre_manifest::board::parse(crate::run::tests::BOARD, "board.yaml").unwrap();
        let files = Files::new().unwrap();
        let mut start = Start {
            disk: Path::new("/a,b/disk.img"),
            memory_mib: 24,
            command_line: "console=ttyAMA0 nacre.slot=a",
            has_device_tree: false,
            network: None,
            uarts: &[],
            capture: None,
            accelerator: Accelerator::Tcg,
        };
        let words = |start: &Start<'_>| -> Vec<String> {
            arguments(&board, &files, start).into_iter().map(|word| word.into_string().unwrap()).collect()
        };
        let line = words(&start);
        assert_eq!(line.get(..2).unwrap(), ["-machine", "virt,highmem=off"]);
        let value = |option: &str| line.iter().skip_while(|word| *word != option).nth(1).cloned();
        assert_eq!(value("-m").as_deref(), Some("24M"));
        assert_eq!(value("-append").as_deref(), Some("console=ttyAMA0 nacre.slot=a"));
        assert_eq!(value("-drive").as_deref(), Some("if=none,id=disk,format=raw,file=/a,,b/disk.img"));
        assert_eq!(value("-nic").as_deref(), Some("none"));
        assert!(line.iter().any(|word| word == "-no-reboot"));
        assert_eq!(value("-dtb"), None);
        start.has_device_tree = true;
        assert!(words(&start).iter().any(|word| word == "-dtb"));
    }

    #[test]
    fn arguments_have_a_network_card_only_when_it_is_wanted() {
        let mut board = nacre_manifest::board::parse(crate::run::tests::BOARD, "board.yaml").unwrap();
        let files = Files::new().unwrap();
        let forwards = ["8080:80".parse().unwrap(), "udp:0.0.0.0:5353:53".parse().unwrap()];
        let words = |board: &Board, network: Option<&[Forward]>| -> String {
            let start = Start {
                disk: Path::new("/disk.img"),
                memory_mib: 24,
                command_line: "",
                has_device_tree: false,
                network,
                uarts: &[],
                capture: None,
                accelerator: Accelerator::Tcg,
            };
            let line = arguments(board, &files, &start).into_iter();
            line.map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert!(!words(&board, None).contains("net"));
        assert!(words(&board, Some(&[])).contains(" -netdev user,id=network,ipv6=off -device "));
        let line = words(&board, Some(&forwards));
        let rules = "ipv6=off,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:0.0.0.0:5353-:53 ";
        assert!(line.contains(rules), "{line}");
        assert!(line.contains(" -device virtio-net-device,netdev=network "), "{line}");
        board.qemu.network_device = None;
        assert!(!words(&board, Some(&forwards)).contains("netdev"));
    }

    #[test]
    fn serial_ports_of_the_board_are_there_and_lead_where_they_are_plugged() {
        let mut board = nacre_manifest::board::parse(crate::run::tests::BOARD, "board.yaml").unwrap();
        for name in ["a", "b", "c"] {
            board.qemu.uart_devices.insert(name.into(), "pci-serial".into());
        }
        let plugs = ["a=/x,y", "b=file:/z"].map(|text| text.parse().unwrap());
        let start = Start {
            disk: Path::new("/disk.img"),
            memory_mib: 24,
            command_line: "",
            has_device_tree: false,
            network: Some(&[]),
            uarts: &plugs,
            capture: None,
            accelerator: Accelerator::Tcg,
        };
        let line = arguments(&board, &Files::new().unwrap(), &start).into_iter();
        let line = line.map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ");
        for part in [
            " -device virtio-net-device,netdev=network -mon chardev=ports,mode=control -device pci-serial,chardev=uart-a ",
            " -device pci-serial,chardev=uart-c -chardev null,id=uart-c ",
            " -chardev socket,id=uart-a,server=on,wait=off,path=/x,,y ",
            " -chardev file,id=uart-b,append=on,path=/z ",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }

    #[test]
    fn sockets_have_paths_that_fit_an_address() {
        let files = Files::new().unwrap();
        for path in [files.control(), files.ports(), files.port(), files.device()] {
            assert!(path.as_os_str().len() < 108, "{}", path.display());
        }
    }
}
