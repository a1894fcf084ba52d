//! Allowed calls that a development image watches: what Landlock and the mounts will say to them. The kernel judges
//! the call after this, on its own; here only the words are found.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use nacre_appmgr_core::access::{Access, Deed, PortDeed, absolute};
use nacre_appmgr_core::denials::Refusal;
use nacre_seccomp_policy::Arch;
use nacre_seccomp_policy::explain;
use nacre_sys::file::status;
use nacre_sys::pidfd;
use nacre_sys::seccomp_notify::Notification;
use nix::sys::socket::{SockType, getsockopt, sockopt};

use crate::foreign_memory::Memory;

/// A path among the arguments: of the folder that it begins at, if the call takes one, and of itself.
type Place = (Option<usize>, usize);

/// What a call does with its paths.
fn places(name: &str) -> Option<(Deed, &'static [Place])> {
    const FIRST: &[Place] = &[(None, 0)];
    const AT: &[Place] = &[(Some(0), 1)];
    const TWO: &[Place] = &[(None, 0), (None, 1)];
    const TWO_AT: &[Place] = &[(Some(0), 1), (Some(2), 3)];
    Some(match name {
        "open" => (Deed::Write, FIRST),
        "openat" => (Deed::Write, AT),
        "mkdir" => (Deed::Make, FIRST),
        "mkdirat" => (Deed::Make, AT),
        "rmdir" | "unlink" => (Deed::Remove, FIRST),
        "unlinkat" => (Deed::Remove, AT),
        "rename" => (Deed::Rename, TWO),
        "renameat" | "renameat2" => (Deed::Rename, TWO_AT),
        // What a link leads to may be anywhere; of a hard link too the new name decides.
        "link" | "symlink" => (Deed::Make, &[(None, 1)]),
        "linkat" => (Deed::Make, &[(Some(2), 3)]),
        "symlinkat" => (Deed::Make, &[(Some(1), 2)]),
        "execve" => (Deed::Execute, FIRST),
        _ => return None,
    })
}

/// What will be refused of a call.
pub fn judge(access: &Access, call: &Notification, memory: &Memory) -> Option<Refusal> {
    let name = explain::name(Arch::of_audit_value(call.arch)?, call.number)?;
    match name {
        "connect" => judge_socket(access, call, memory, PortDeed::Connect),
        "bind" => judge_socket(access, call, memory, PortDeed::Bind),
        name => {
            let (deed, places) = places(name)?;
            places.iter().find_map(|place| {
                let path = path(call, memory, *place)?;
                let refusal = access.judge_path(&path, deed)?;
                // A program that is not there is looked for in many folders.
                (deed != Deed::Execute || exists(call.thread, &path)).then_some(refusal)
            })
        }
    }
}

fn path(call: &Notification, memory: &Memory, (folder, itself): Place) -> Option<String> {
    let path = memory.text(*call.arguments.get(itself)?)?;
    if path.is_empty() {
        return None;
    }
    if path.starts_with('/') {
        return Some(absolute("/", &path));
    }
    let folder = folder.and_then(|at| call.arguments.get(at)).map(|folder| low(*folder));
    let link = match folder {
        // AT_FDCWD is -100; no other negative number is a folder.
        None => "cwd".to_owned(),
        Some(folder) if folder < 0 => "cwd".to_owned(),
        Some(folder) => format!("fd/{folder}"),
    };
    // The kernel tells a path from the root of the namespace that it lies in: the app's.
    let base = fs::read_link(format!("/proc/{}/{link}", call.thread)).ok()?;
    Some(absolute(&base.to_string_lossy(), &path))
}

/// Whether the app has a file of that name. Only looked at, never opened.
fn exists(thread: u32, path: &str) -> bool {
    status(Path::new(&format!("/proc/{thread}/root{path}"))).is_ok()
}

fn judge_socket(access: &Access, call: &Notification, memory: &Memory, deed: PortDeed) -> Option<Refusal> {
    let [socket, address, length, ..] = call.arguments;
    // `struct sockaddr_in` and `sockaddr_un` (ip(7), unix(7)).
    let mut buffer = [0; 110];
    let length = usize::try_from(low(length)).ok()?.min(buffer.len());
    let bytes = memory.bytes(address, buffer.get_mut(..length)?)?;
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    match u16::from_le_bytes(*family) {
        AF_INET => {
            let (port, rest) = rest.split_first_chunk::<2>()?;
            let (host, _) = rest.split_first_chunk::<4>()?;
            if !is_socket(call.thread, low(socket)) {
                return None;
            }
            let stream = pidfd::borrow_fd(call.thread, low(socket)).ok()?;
            // Landlock judges TCP only.
            if getsockopt(&stream, sockopt::SockType) != Ok(SockType::Stream) {
                return None;
            }
            let address = SocketAddrV4::new(Ipv4Addr::from(*host), u16::from_be_bytes(*port));
            access.judge_port(address, deed)
        }
        AF_UNIX if deed == PortDeed::Bind => {
            let text = rest.split(|byte| *byte == 0).next().filter(|text| !text.is_empty())?;
            let path = String::from_utf8_lossy(text);
            let base = fs::read_link(format!("/proc/{}/cwd", call.thread)).ok()?;
            access.judge_path(&absolute(&base.to_string_lossy(), &path), Deed::Make)
        }
        _ => None,
    }
}

/// Whether a descriptor of the app is a socket: whoever lets go of another one last might have to wait for a driver.
fn is_socket(thread: u32, number: i32) -> bool {
    let link = fs::read_link(format!("/proc/{thread}/fd/{number}"));
    link.is_ok_and(|link| link.to_string_lossy().starts_with("socket:"))
}

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;

/// The low half, as the `int` that it is to the kernel.
fn low(value: u64) -> i32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or_default().cast_signed()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::AsRawFd;

    use super::*;

    fn number(name: &str) -> u32 {
        (0..500).find(|number| explain::name(Arch::X86_64, *number) == Some(name)).unwrap()
    }

    fn address(bytes: &[u8]) -> u64 {
        bytes.as_ptr().expose_provenance() as u64
    }

    /// What is said of a call that this very thread makes.
    fn said(name: &str, arguments: &[u64]) -> Option<String> {
        let mut six = [0x5555_5555_5555_5555; 6];
        six[..arguments.len()].copy_from_slice(arguments);
        let thread = nix::unistd::gettid().as_raw().cast_unsigned();
        let arch = Arch::X86_64.audit_value();
        let call = Notification { id: 1, thread, number: number(name), arch, arguments: six };
        judge(&Access::default(), &call, &Memory::of(thread)).map(|refusal| refusal.tried)
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn paths_are_read_from_the_caller_and_told_from_its_folder() {
        let at_cwd = (-100_i64).cast_unsigned();
        let folder = tempfile::tempdir().unwrap();
        let held = std::fs::File::open(folder.path()).unwrap();
        let fd = u64::try_from(held.as_raw_fd()).unwrap();
        let (one, two) = (address(b"/data/../data/x\0"), address(b"y\0"));
        assert_eq!(said("openat", &[at_cwd, one, 1]).unwrap(), "open /data/x for writing");
        assert_eq!(said("open", &[one]).unwrap(), "open /data/x for writing");
        let inside = folder.path().join("y");
        assert_eq!(said("mkdirat", &[fd, two]).unwrap(), format!("make {}", inside.display()));
        let cwd = std::env::current_dir().unwrap().join("y");
        assert_eq!(said("unlink", &[two]).unwrap(), format!("remove {}", cwd.display()));
        assert_eq!(said("renameat2", &[at_cwd, one, at_cwd, one]).unwrap(), "rename /data/x");
        assert_eq!(said("execve", &[address(b"/bin/sh\0")]).unwrap(), "execute /bin/sh");
        assert_eq!(said("execve", &[address(b"/no/such/program\0")]), None);
        assert_eq!(said("symlink", &[one, two]).unwrap(), format!("make {}", cwd.display()));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn addresses_are_judged_of_tcp_sockets_only() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let fd = |fd: i32| u64::try_from(fd).unwrap();
        let to = [2, 0, 0x22, 0xb3, 10, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0];
        let connect = |socket, length| said("connect", &[fd(socket), address(&to), length]);
        assert_eq!(connect(tcp.as_raw_fd(), 16).unwrap(), "connect tcp 10.0.2.2:8883");
        assert_eq!(connect(udp.as_raw_fd(), 16), None);
        assert_eq!(connect(1 << 20, 16), None);
        for short in 0..8 {
            assert_eq!(connect(tcp.as_raw_fd(), short), None);
        }
        let six = [10, 0, 0x22, 0xb3, 0, 0, 0, 0];
        assert_eq!(said("connect", &[fd(tcp.as_raw_fd()), address(&six), 28]), None);
        let unix = b"\x01\0/data/socket\0";
        assert_eq!(said("bind", &[0, address(unix), 15]).unwrap(), "make /data/socket");
        assert_eq!(said("bind", &[0, address(b"\x01\0\0hidden"), 9]), None, "an abstract name");
    }

    #[test]
    fn any_arguments_are_judged_without_a_panic() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let text = [b'/'; 400];
        for arch in [Arch::Armv7, Arch::X86_64] {
            for number in 0..500 {
                let arguments = [(); 6].map(|()| {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    match random % 5 {
                        0 => address(&text),
                        1 => u64::MAX,
                        2 => random % 64,
                        3 => address(&text) + 399,
                        _ => random,
                    }
                });
                for thread in [std::process::id(), 0, u32::MAX] {
                    let arch = arch.audit_value();
                    let call = Notification { id: 0, thread, number, arch, arguments };
                    judge(&Access::default(), &call, &Memory::of(thread));
                }
            }
        }
    }
}
