//! The compiled filter in this machine's own kernel: allowed calls pass, altered ones are refused.
#![cfg(target_arch = "x86_64")]

use std::thread;

use nacre_seccomp_policy::{Arch, Network, Options, compile, compile_netd};
use nacre_sys::seccomp;
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt};
use nix::unistd::{pipe, sethostname};

/// Runs `body` in a thread of its own, which is all that the filter judges.
fn under_the_filter<T: Send + 'static>(network: Network, body: impl FnOnce() -> T + Send + 'static) -> T {
    under(compile(Arch::X86_64, &Options { network, ..Options::default() }).unwrap(), body)
}

fn under<T: Send + 'static>(filter: Vec<u8>, body: impl FnOnce() -> T + Send + 'static) -> T {
    let confined = thread::spawn(move || {
        let (instructions, rest) = filter.as_chunks();
        assert!(rest.is_empty());
        prctl::set_no_new_privs().unwrap();
        seccomp::load(instructions).unwrap();
        body()
    });
    confined.join().unwrap()
}

fn open_socket(family: AddressFamily, kind: SockType, protocol: Option<SockProtocol>) -> Result<(), Errno> {
    socket(family, kind, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, protocol).map(drop)
}

#[test]
fn program_does_its_work_under_the_filter() {
    let answer = under_the_filter(Network::Present, || {
        let (reader, writer) = pipe().unwrap();
        nix::unistd::write(&writer, b"x").unwrap();
        nix::unistd::read(&reader, &mut [0; 1]).unwrap();
        std::fs::read_to_string("/proc/self/status").unwrap();
        std::fs::read_dir("/").unwrap().for_each(drop);
        let unix = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
        setsockopt(&unix, sockopt::RcvBuf, &4096).unwrap();
        open_socket(AddressFamily::Inet, SockType::Stream, None).unwrap();
        open_socket(AddressFamily::Inet, SockType::Datagram, Some(SockProtocol::Udp)).unwrap();
        assert_eq!(vec![7_u8; 1 << 20].len(), 1 << 20);
        std::process::Command::new("/bin/true").status().unwrap().code()
    });
    assert_eq!(answer, Some(0));
}

#[test]
fn filtered_call_is_refused_with_eperm() {
    let answers = under_the_filter(Network::Present, || {
        let null = std::fs::File::open("/dev/null").unwrap();
        let raw = SockType::Raw;
        [
            ("unshare", unshare(CloneFlags::CLONE_NEWUSER)),
            ("setns", setns(&null, CloneFlags::empty())),
            ("memfd", memfd_create(c"x", MFdFlags::empty()).map(drop)),
            ("netlink", open_socket(AddressFamily::Netlink, raw, Some(SockProtocol::NetlinkRoute))),
            ("packet", open_socket(AddressFamily::Packet, raw, None)),
            ("icmp", open_socket(AddressFamily::Inet, raw, Some(SockProtocol::Icmp))),
            ("ping", open_socket(AddressFamily::Inet, SockType::Datagram, Some(SockProtocol::Icmp))),
            ("ipv6", open_socket(AddressFamily::Inet6, SockType::Stream, None)),
            ("hostname", sethostname("x")),
            ("dumpable", prctl::set_dumpable(true)),
            (
                "setrlimit",
                getrlimit(Resource::RLIMIT_CORE)
                    .and_then(|(soft, hard)| setrlimit(Resource::RLIMIT_CORE, soft, hard)),
            ),
        ]
    });
    for (call, answer) in answers {
        assert_eq!(answer, Err(Errno::EPERM), "{call}");
    }
}

#[test]
fn socket_of_the_network_is_refused_to_an_app_without_one() {
    let answers = under_the_filter(Network::Absent, || {
        let kinds = [SockType::Stream, SockType::Datagram];
        let inet = kinds.map(|kind| open_socket(AddressFamily::Inet, kind, None));
        (inet, kinds.map(|kind| open_socket(AddressFamily::Unix, kind, None)))
    });
    assert_eq!(answers, ([Err(Errno::EPERM); 2], [Ok(()); 2]));
}

#[test]
fn netd_makes_udp_sockets_and_opens_no_file() {
    let null = std::fs::File::open("/dev/null").unwrap();
    let answers = under(compile_netd(Arch::X86_64).unwrap(), move || {
        let udp = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).unwrap();
        setsockopt(&udp, sockopt::Broadcast, &true).unwrap();
        let answers = [
            ("tcp", open_socket(AddressFamily::Inet, SockType::Stream, None)),
            ("netlink", open_socket(AddressFamily::Netlink, SockType::Raw, Some(SockProtocol::NetlinkRoute))),
            ("unix", open_socket(AddressFamily::Unix, SockType::SeqPacket, None)),
            ("reuse", setsockopt(&udp, sockopt::ReuseAddr, &true)),
            ("open", std::fs::File::open("/dev/null").map(drop).map_err(of_io)),
            ("read", nix::unistd::read(&null, &mut [0; 1]).map(drop)),
            ("hostname", sethostname("x")),
        ];
        drop(udp);
        answers
    });
    for (call, answer) in answers {
        assert_eq!(answer, Err(Errno::EPERM), "{call}");
    }
}

fn of_io(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

#[test]
fn same_calls_without_the_filter_are_not_all_refused() {
    // Otherwise the test above would pass with enforcement off.
    assert!(memfd_create(c"x", MFdFlags::empty()).is_ok());
    assert!(open_socket(AddressFamily::Netlink, SockType::Raw, Some(SockProtocol::NetlinkRoute)).is_ok());
    assert!(prctl::set_dumpable(true).is_ok());
    let (soft, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
    assert!(setrlimit(Resource::RLIMIT_CORE, soft, hard).is_ok());
}
