//! Descriptors that arrive when the process has no number left for all of them. In a process of its own: the limit is
//! the whole process's.

use std::io::{Read, pipe};
use std::os::fd::{AsFd, AsRawFd};

use nacre_sys::fd_passing::{MAX_FDS, ReceiveError, receive, send};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

#[test]
fn packet_whose_descriptors_do_not_all_fit_leaves_none_open() {
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let (mut reader, writer) = pipe().unwrap();
    send(&theirs, b"x", &[writer.as_fd(); MAX_FDS]).unwrap();
    let highest =
        [&ours, &theirs].map(|fd| fd.as_raw_fd()).into_iter().max().unwrap().max(writer.as_raw_fd());
    drop(writer);
    let (before, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // The writer's number and one more.
    setrlimit(Resource::RLIMIT_NOFILE, u64::try_from(highest).unwrap() + 2, most).unwrap();
    let received = receive(&ours, &mut [0; 8]);
    setrlimit(Resource::RLIMIT_NOFILE, before, most).unwrap();
    assert!(matches!(received, Err(ReceiveError::TooLong)), "{received:?}");
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [], "one of them is left open");
}
