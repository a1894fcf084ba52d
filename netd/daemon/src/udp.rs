//! UDP sockets (udp(7)) that never wait. IPv4.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, bind, connect, recvfrom, sendto, setsockopt,
    socket, sockopt,
};

/// Datagrams taken from one socket before the others have their turn.
const AT_ONCE: usize = 16;

/// A socket.
#[derive(Debug)]
pub(crate) struct Udp {
    fd: OwnedFd,
}

impl Udp {
    fn new() -> nix::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        Ok(Self { fd: socket(AddressFamily::Inet, SockType::Datagram, flags, None)? })
    }

    /// One with a random port that speaks with one machine only; errors on the way to it are told by
    /// [`Udp::receive`].
    pub(crate) fn to(server: SocketAddrV4) -> nix::Result<Self> {
        let socket = Self::new()?;
        connect(socket.fd.as_raw_fd(), &SockaddrIn::from(server))?;
        Ok(socket)
    }

    /// One with this port on one link, for broadcasts too. The link needs no address.
    pub(crate) fn on_link(link: &str, port: u16) -> nix::Result<Self> {
        let socket = Self::new()?;
        setsockopt(&socket.fd, sockopt::Broadcast, &true)?;
        setsockopt(&socket.fd, sockopt::BindToDevice, &OsString::from(link))?;
        bind(socket.fd.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)))?;
        Ok(socket)
    }

    /// One with this address and port. The address may come later.
    pub(crate) fn at(address: SocketAddrV4) -> nix::Result<Self> {
        let socket = Self::new()?;
        setsockopt(&socket.fd, sockopt::IpFreebind, &true)?;
        bind(socket.fd.as_raw_fd(), &SockaddrIn::from(address))?;
        Ok(socket)
    }

    /// Sends a datagram. What finds no room is lost, as on the way.
    pub(crate) fn send(&self, bytes: &[u8], to: SocketAddrV4) -> nix::Result<()> {
        match sendto(self.fd.as_raw_fd(), bytes, &SockaddrIn::from(to), MsgFlags::MSG_NOSIGNAL) {
            Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS) => Ok(()),
            Err(cause) => Err(cause),
        }
    }

    /// Hands over the datagrams that have come, but no more than its turn; what is longer than `N` bytes is cut.
    /// An error that came instead of one is the result.
    pub(crate) fn receive<const N: usize>(&self) -> (Vec<(SocketAddrV4, Vec<u8>)>, nix::Result<()>) {
        let mut datagrams = Vec::new();
        let mut buffer = [0; N];
        for _ in 0..AT_ONCE {
            match recvfrom::<SockaddrIn>(self.fd.as_raw_fd(), &mut buffer) {
                Ok((length, Some(from))) => {
                    let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                    datagrams.push((SocketAddrV4::from(from), bytes));
                }
                Ok((_, None)) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(cause) => return (datagrams, Err(cause)),
            }
        }
        (datagrams, Ok(()))
    }
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
