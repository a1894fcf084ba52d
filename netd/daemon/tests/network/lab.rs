//! Network namespaces with a real kernel between them: the device with netd in it, apps, and the street outside
//! with the machines that netd and the apps speak to.
//!
//! Nothing of it touches the network of who runs the tests.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;

use nacre_sys::netns::{self, NetworkNamespace};
use nacre_sys::spawn::{self, PidNamespace, SpawnRequest, Spawned};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::geteuid;

use crate::appmgr::Appmgr;

/// The router's address in the street, and that of all its servers.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 1);
/// Another machine of the street.
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// A machine behind the router.
pub(crate) const FAR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// What the router's DHCP server grants to the device.
pub(crate) const DEVICE: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

/// A namespace.
pub(crate) struct Place(NetworkNamespace);

impl Place {
    fn new(settings: &[(&str, &str)]) -> Self {
        assert!(geteuid().is_root(), "these tests make network namespaces: they need root");
        Self(netns::make(settings).expect("a network namespace"))
    }

    /// Does something in a thread that has gone into the namespace.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            setns(&self.0.namespace, CloneFlags::CLONE_NEWNET).expect("go into the namespace");
            work()
        };
        std::thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|why| std::panic::resume_unwind(why))
    }

    /// Goes on with something in a thread of its own until the test ends.
    pub(crate) fn serve(&self, work: impl FnOnce() + Send + 'static) {
        let namespace = self.0.namespace.try_clone().expect("a copy");
        std::thread::spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET).expect("go into the namespace");
            drop(namespace);
            work();
        });
    }

    /// Runs ip(8) inside.
    pub(crate) fn ip(&self, arguments: &str) {
        let run = || Command::new("ip").args(arguments.split_whitespace()).output().expect("ip, of iproute2");
        let output = self.inside(run);
        assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What goes with an order to join it.
    pub(crate) fn descriptors(&self) -> [i32; 2] {
        [self.0.namespace.as_raw_fd(), self.0.routes.as_raw_fd()]
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.namespace.as_raw_fd())
    }
}

/// The device, the street, and netd once it is started.
pub(crate) struct Lab {
    pub(crate) device: Place,
    pub(crate) street: Place,
    netd: Option<Spawned>,
}

impl Lab {
    /// Device and street with a cable between them. The kernel's own check of source addresses is off, so that what
    /// stops a wrong one is netd's filter.
    pub(crate) fn new() -> Self {
        let device = Place::new(&[
            ("net/ipv4/ip_forward", "1"),
            ("net/ipv4/conf/all/rp_filter", "0"),
            ("net/ipv4/conf/default/rp_filter", "0"),
        ]);
        let street = Place::new(&[]);
        device.ip(&format!("link add eth0 type veth peer name wan netns {}", street.path()));
        for address in [ROUTER, PEER] {
            street.ip(&format!("address add {address}/24 dev wan"));
        }
        street.ip(&format!("address add {FAR}/32 dev lo"));
        street.ip("link set wan up");
        Self { device, street, netd: None }
    }

    /// An app's namespace.
    pub(crate) fn app(&self) -> Place {
        Place::new(&[])
    }

    /// Starts netd in the device.
    pub(crate) fn start(&mut self) -> Appmgr {
        self.start_program(Path::new(env!("CARGO_BIN_EXE_netd")), Some(&filter()))
    }

    /// Starts another netd, with this as its filter of system calls or without the file.
    pub(crate) fn start_program(&mut self, program: &Path, filter: Option<&[u8]>) -> Appmgr {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .expect("a pair");
        let program = CString::new(program.to_str().expect("a path in UTF-8")).expect("a path");
        let spawned = self.device.inside(|| {
            // The thread's own mounts: nobody else sees this /etc.
            unshare(CloneFlags::CLONE_NEWNS).expect("mounts of its own");
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
                .expect("private mounts");
            mount(Some("etc"), "/etc", Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("an /etc");
            fs::create_dir("/etc/nacre").expect("a folder");
            if let Some(filter) = filter {
                fs::write("/etc/nacre/netd.bpf", filter).expect("the filter");
            }
            start(&program, &theirs)
        });
        self.netd = Some(spawned);
        Appmgr::new(ours)
    }

    /// What the kernel says about netd.
    pub(crate) fn status(&self) -> String {
        let pid = self.netd.as_ref().expect("a netd").pid;
        fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
    }

    /// Ends netd as a crash does.
    pub(crate) fn kill_netd(&mut self) {
        if let Some(netd) = self.netd.take() {
            let _ = kill(netd.pid, Signal::SIGKILL);
            let _ = nix::sys::wait::waitpid(netd.pid, None);
        }
    }

    /// Waits for netd's own end, and says how it ended.
    pub(crate) fn wait_for_end(&mut self) -> nix::sys::wait::WaitStatus {
        let netd = self.netd.take().expect("a netd");
        nix::sys::wait::waitpid(netd.pid, None).expect("its end")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.kill_netd();
    }
}

fn start(program: &CStr, socket: &OwnedFd) -> Spawned {
    let nothing = File::open("/dev/null").expect("/dev/null");
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    spawn::spawn(&SpawnRequest {
        program,
        argv: &[program],
        env: &[],
        fds: &[nothing.as_fd(), stdout.as_fd(), stderr.as_fd(), socket.as_fd()],
        pid_namespace: PidNamespace::New,
        cgroup: None,
    })
    .expect("netd starts")
}

/// The filter that the device's netd has, for this machine.
pub(crate) fn filter() -> Vec<u8> {
    let arch = if cfg!(target_arch = "arm") {
        nacre_seccomp_policy::Arch::Armv7
    } else {
        nacre_seccomp_policy::Arch::X86_64
    };
    nacre_seccomp_policy::compile_netd(arch).expect("a filter")
}
