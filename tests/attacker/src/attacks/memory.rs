//! New code, and the memory of others.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, PermissionsExt};

use libc::{
    MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE, SYS_execveat,
    SYS_memfd_create, SYS_mprotect, SYS_personality, SYS_pidfd_getfd, SYS_pidfd_open, SYS_process_vm_readv,
    SYS_process_vm_writev, SYS_ptrace, SYS_read, SYS_userfaultfd,
};
use nix::errno::Errno;

use super::files::execute;
use crate::attack::{claim_from, name_process};
use crate::call::{Outcome, at, call, errno, into, text};
use crate::catalogue::Attack;
use crate::order::Order;
use crate::witness::scene::Scene;
use crate::witness::scenes::{
    DECOY_READ, DECOY_WRITTEN, NEW_CODE, NULL_PAGE, OWN_FILE_MAPPED, OWN_FILE_RUNS, READ_ONLY_CHANGED,
    WRITABLE_EXECUTABLE, holds,
};

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "writable-executable",
        goal: "Has memory that is writable and executable at once, and runs code that it wrote there",
        scene: WRITABLE_EXECUTABLE,
        run: |_| {
            let page = map(0, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, None)?;
            write_code(page);
            run_code(page)
        },
    },
    Attack {
        name: "code-by-mprotect",
        goal: "Writes code and makes it executable afterwards",
        scene: NEW_CODE,
        run: |_| {
            let page = map(0, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, None)?;
            write_code(page);
            call(SYS_mprotect, &[page, PAGE, (PROT_READ | PROT_EXEC) as usize])?;
            run_code(page)
        },
    },
    Attack {
        name: "code-by-two-mappings",
        goal: "Writes code to a file of its own and maps that a second time, executable",
        scene: OWN_FILE_MAPPED.restore(|_, _| crate::witness::harden_mounts()),
        run: two_mappings,
    },
    Attack {
        name: "own-program",
        goal: "Executes a program that it wrote to its own folder",
        scene: OWN_FILE_RUNS.restore(|_, _| crate::witness::harden_mounts()),
        run: own_program,
    },
    Attack {
        name: "program-without-a-file",
        goal: "Executes a program that lies in memory only",
        scene: OWN_FILE_RUNS.restore(|_, _| drop(fs::write("/proc/sys/vm/memfd_noexec", "2"))),
        run: memory_program,
    },
    Attack {
        name: "personality",
        goal: "Makes all that it maps executable, by READ_IMPLIES_EXEC",
        scene: WRITABLE_EXECUTABLE,
        run: |_| {
            const READ_IMPLIES_EXEC: usize = 0x0040_0000;
            call(SYS_personality, &[READ_IMPLIES_EXEC])?;
            map(0, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, None).map(drop)
        },
    },
    Attack {
        name: "null-page",
        goal: "Has memory at address 0, where the kernel's null pointers lead",
        scene: NULL_PAGE,
        run: |_| map(LOWEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, None).map(drop),
    },
    Attack {
        name: "proc-self-mem",
        goal: "Writes to its own read-only memory through /proc/self/mem",
        scene: READ_ONLY_CHANGED,
        run: own_memory,
    },
    Attack {
        name: "ptrace-read",
        goal: "Reads the memory of a process of the OS with ptrace",
        scene: DECOY_READ,
        run: ptrace_read,
    },
    Attack {
        name: "proc-mem-read",
        goal: "Reads the memory of a process of the OS through /proc/PID/mem",
        scene: DECOY_READ,
        run: |order| {
            let file = fs::File::open(format!("/proc/{}/mem", order.fact("decoy")))
                .map_err(|error| errno(&error))?;
            let mut bytes = vec![0; order.number("decoy-bytes")];
            file.read_exact_at(&mut bytes, order.number("decoy-at") as u64).map_err(|error| errno(&error))?;
            claim_from(order, &bytes)
        },
    },
    Attack {
        name: "proc-mem-write",
        goal: "Writes to the memory of a process of the OS through /proc/PID/mem",
        scene: DECOY_WRITTEN,
        run: |order| {
            let file = fs::OpenOptions::new().write(true).open(format!("/proc/{}/mem", order.fact("decoy")));
            let file = file.map_err(|error| errno(&error))?;
            file.write_all_at(order.token.as_bytes(), order.number("decoy-at") as u64)
                .map_err(|error| errno(&error))
        },
    },
    Attack {
        name: "process-vm-readv",
        goal: "Reads the memory of a process of the OS with process_vm_readv",
        scene: DECOY_READ,
        run: |order| {
            let mut bytes = vec![0; order.number("decoy-bytes")];
            let own = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
            transfer(SYS_process_vm_readv, order, &own)?;
            claim_from(order, &bytes)
        },
    },
    Attack {
        name: "process-vm-writev",
        goal: "Writes to the memory of a process of the OS with process_vm_writev",
        scene: DECOY_WRITTEN,
        run: |order| {
            let own =
                libc::iovec { iov_base: order.token.as_ptr().cast_mut().cast(), iov_len: order.token.len() };
            transfer(SYS_process_vm_writev, order, &own)
        },
    },
    Attack {
        name: "pidfd-getfd",
        goal: "Takes a descriptor of a process of the OS with pidfd_getfd",
        scene: DECOY_READ,
        run: |order| {
            let process = call(SYS_pidfd_open, &[order.number("decoy"), 0])?;
            let file = call(SYS_pidfd_getfd, &[process, order.number("decoy-descriptor"), 0])?;
            call(libc::SYS_lseek, &[file, 0, libc::SEEK_SET as usize])?;
            let mut bytes = vec![0; order.number("decoy-bytes")];
            call(SYS_read, &[file, into(bytes.as_mut_slice()), bytes.len()])?;
            claim_from(order, &bytes)
        },
    },
    Attack {
        name: "userfaultfd",
        goal: "Holds the kernel still in the middle of a copy, with userfaultfd",
        scene: USERFAULT,
        run: |_| call(SYS_userfaultfd, &[libc::O_CLOEXEC as usize]).map(drop),
    },
];

const USERFAULT: Scene =
    holds("anon_inode:[userfaultfd]", "a process of the attacker holds a descriptor of userfaultfd");

const PAGE: usize = 4096;

/// The lowest address that there can be memory at: the first two pages are not to be had on ARM.
const LOWEST: usize = if cfg!(target_arch = "arm") { 2 * PAGE } else { 0 };

/// mmap(2) of a page.
fn map(address: usize, rights: i32, flags: i32, file: Option<i32>) -> Result<usize, Errno> {
    // SAFETY: MAP_FIXED is asked for at the lowest address only, where nothing of this program is.
    let page =
        unsafe { libc::mmap(address as *mut libc::c_void, PAGE, rights, flags, file.unwrap_or(-1), 0) };
    if page == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(page as usize) }
}

/// `return 42`.
#[cfg(target_arch = "x86_64")]
const CODE: [u8; 8] = [0xb8, 0x2a, 0, 0, 0, 0xc3, 0, 0];
/// `mov r0, #42; bx lr`
#[cfg(target_arch = "arm")]
const CODE: [u8; 8] = [0x2a, 0x00, 0xa0, 0xe3, 0x1e, 0xff, 0x2f, 0xe1];
/// Other machines only compile this.
#[cfg(not(any(target_arch = "x86_64", target_arch = "arm")))]
const CODE: [u8; 8] = [0; 8];

fn write_code(page: usize) {
    // SAFETY: it was mapped writable just now.
    unsafe { std::ptr::copy_nonoverlapping(CODE.as_ptr(), page as *mut u8, CODE.len()) };
    #[cfg(target_arch = "arm")]
    {
        const CACHE_FLUSH: libc::c_long = 0x0f_0002;
        let _ = call(CACHE_FLUSH, &[page, page + PAGE, 0]);
    }
}

fn run_code(page: usize) -> Outcome {
    // SAFETY: the page holds the whole of a function without arguments, or this process dies.
    let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(page) };
    if function() == 42 { Ok(()) } else { Err(Errno::ENOEXEC) }
}

fn two_mappings(order: &Order) -> Outcome {
    let mut last = Errno::EACCES;
    for path in [order.own_file(), format!("/tmp/nacre-at-{}", order.token)] {
        let Ok(mut file) =
            fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)
        else {
            continue;
        };
        file.write_all(&[0; PAGE]).map_err(|error| errno(&error))?;
        let page = map(0, PROT_READ | PROT_WRITE, MAP_SHARED, Some(file.as_raw_fd()))?;
        write_code(page);
        let executable = || map(0, PROT_READ | PROT_EXEC, MAP_SHARED, Some(file.as_raw_fd()));
        let mapped = executable().or_else(|_| {
            for point in ["/data", "/tmp"] {
                let _ = super::namespaces::mount("", point, "", libc::MS_REMOUNT | libc::MS_BIND);
            }
            executable()
        });
        match mapped {
            Ok(page) => return run_code(page),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The program that this is, as bytes.
fn own_bytes() -> Result<Vec<u8>, Errno> {
    let path = std::env::args().next().filter(|path| fs::metadata(path).is_ok());
    let path = path.unwrap_or_else(|| "/run/apps/org.nacre.attacker/root/app/bin/attacker".to_owned());
    fs::read(path).map_err(|error| errno(&error))
}

fn own_program(order: &Order) -> Outcome {
    let bytes = own_bytes()?;
    let mut last = Errno::EACCES;
    for path in [order.own_file(), format!("/tmp/nacre-at-{}", order.token)] {
        let written = fs::write(&path, &bytes)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)));
        match written.map_err(|error| errno(&error)).and_then(|()| execute(&path)) {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
        let _ = fs::remove_file(&path);
    }
    Err(last)
}

fn memory_program(order: &Order) -> Outcome {
    let name = text(&order.token);
    const EXECUTABLE: usize = 0x10;
    let _ = fs::write("/proc/sys/vm/memfd_noexec", "0");
    let file = call(SYS_memfd_create, &[name.as_ptr() as usize, EXECUTABLE])
        .or_else(|_| call(SYS_memfd_create, &[name.as_ptr() as usize, 0]))?;
    let bytes = own_bytes()?;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let written = call(libc::SYS_write, &[file, rest.as_ptr() as usize, rest.len()])?;
        rest = rest.get(written..).unwrap_or_default();
    }
    let (empty, stay) = (text(""), text("stay"));
    let arguments = [name.as_ptr(), stay.as_ptr(), std::ptr::null()];
    let environment: [*const libc::c_char; 1] = [std::ptr::null()];
    let flags = libc::AT_EMPTY_PATH as usize;
    call(SYS_execveat, &[file, empty.as_ptr() as usize, at(&arguments), at(&environment), flags]).map(drop)
}

fn own_memory(order: &Order) -> Outcome {
    let page = map(0, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, None)?;
    // SAFETY: it was mapped writable just now.
    unsafe { std::ptr::write_bytes(page as *mut u8, 0x5a, 64) };
    call(SYS_mprotect, &[page, PAGE, PROT_READ as usize])?;
    let file = fs::OpenOptions::new().write(true).open("/proc/self/mem").map_err(|error| errno(&error))?;
    file.write_all_at(order.token.as_bytes(), page as u64).map_err(|error| errno(&error))?;
    name_process(&format!("@{page:x}"));
    Ok(())
}

fn ptrace_read(order: &Order) -> Outcome {
    const ATTACH: usize = 16;
    const PEEK: usize = 2;
    let decoy = order.number("decoy");
    call(SYS_ptrace, &[ATTACH, decoy, 0, 0])?;
    let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(decoy as i32), None);
    let mut bytes = Vec::new();
    while bytes.len() < order.number("decoy-bytes") {
        let mut word = 0usize;
        call(SYS_ptrace, &[PEEK, decoy, order.number("decoy-at") + bytes.len(), into(&mut word)])?;
        bytes.extend(word.to_ne_bytes());
    }
    claim_from(order, &bytes)
}

fn transfer(number: libc::c_long, order: &Order, own: &libc::iovec) -> Outcome {
    let other = libc::iovec { iov_base: order.number("decoy-at") as *mut libc::c_void, iov_len: own.iov_len };
    call(number, &[order.number("decoy"), at(own), 1, at(&other), 1, 0]).map(drop)
}
