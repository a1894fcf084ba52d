//! Allowed calls that a development image watches: what Landlock and the mounts will say to them. The kernel judges
//! the call after this, on its own; here only the words are found.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};

use nacre_appmgr_core::access::{Access, Deed, PortDeed, absolute};
use nacre_appmgr_core::denials::Refusal;
use nacre_seccomp_policy::Arch;
use nacre_seccomp_policy::explain;
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
pub(crate) fn judge(access: &Access, call: &Notification) -> Option<Refusal> {
    let name = explain::name(Arch::of_audit_value(call.arch)?, call.number)?;
    let memory = Memory::of(call.thread);
    match name {
        "connect" => judge_socket(access, call, &memory, PortDeed::Connect),
        "bind" => judge_socket(access, call, &memory, PortDeed::Bind),
        name => {
            let (deed, places) = places(name)?;
            places.iter().find_map(|place| {
                let path = path(call, &memory, *place)?;
                // A program that is not there is looked for in many folders.
                if deed == Deed::Execute && !exists(call.thread, &path) {
                    return None;
                }
                access.judge_path(&path, deed)
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
    fs::symlink_metadata(format!("/proc/{thread}/root{path}")).is_ok()
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

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;

/// The low half, as the `int` that it is to the kernel.
fn low(value: u64) -> i32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or_default().cast_signed()
}
