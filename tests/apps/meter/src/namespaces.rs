//! The two pairs of namespaces.

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::{scope, sleep};
use std::time::Duration;

use nacre_manifest::apps_network::{ROUTER, app_address};
use nacre_sys::netns::{self, NetworkNamespace};
use nix::sched::{CloneFlags, setns};

use crate::links::{End, Links, Route};

/// The uplink's name: netd's rules let an app's packets out over it only.
const UPLINK: &str = "eth0";
/// The device on that network, and who is outside.
const DEVICE: [u8; 4] = [10, 9, 0, 1];
const OUTSIDE: [u8; 4] = [10, 9, 0, 2];
/// The app whose namespace is looked for.
const APP: &str = "idle";
/// How long the app may take to be there, and netd to take a new uplink over, in steps of [`STEP`].
const STEPS: usize = 600;
const STEP: Duration = Duration::from_millis(100);
/// Numbers of the new links.
const TO_APP: u32 = 900;
const OF_APP: u32 = 901;
const TO_OUTSIDE: u32 = 902;
const OF_OUTSIDE: u32 = 903;

/// What init sets for the OS's own namespace, as far as packets that pass meet it.
const AS_THE_OS: [(&str, &str); 3] = [
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "1"),
];

/// Two namespaces between which packets are passed on.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) inside: OwnedFd,
    pub(crate) outside: OwnedFd,
    /// Who passes them on; it is there for as long as this.
    _router: Option<OwnedFd>,
}

impl Pair {
    /// From the namespace of an app, over the OS's own, to one that stands at the uplink in place of the card.
    pub(crate) fn through_the_policy() -> io::Result<Self> {
        let inside = wait_for(find_app)?;
        let links = Links::here()?;
        let card = fs::read_to_string(Path::new("/sys/class/net").join(UPLINK).join("ifindex"))?;
        links.rename(card.trim().parse().map_err(io::Error::other)?, "card")?;
        let outside = attach_outside(&links)?;
        // netd sees a new uplink, brings it up and takes its addresses away.
        wait_for(|| Ok(is_up()?.then_some(())))?;
        sleep(STEP * 5);
        links.set_up(TO_OUTSIDE, DEVICE, 24)?;
        Ok(Self { inside: inside.into(), outside, _router: None })
    }

    /// The same links, addresses and routes, and no packet filter.
    pub(crate) fn without_rules() -> io::Result<Self> {
        let router = make(&AS_THE_OS)?;
        let links = Links::of(router.routes);
        let inside = make(&[])?;
        links.add_pair(End(TO_APP, "app0"), End(OF_APP, UPLINK), inside.namespace.as_fd())?;
        let app = app_address(0);
        links.set_up(TO_APP, ROUTER, 32)?;
        links.add_route(TO_APP, Route { to: app, prefix: 32, gateway: None, source: ROUTER })?;
        let links_inside = Links::of(inside.routes);
        links_inside.set_up(OF_APP, app, 32)?;
        let everything = Route { to: [0; 4], prefix: 0, gateway: Some(ROUTER), source: app };
        links_inside.add_route(OF_APP, everything)?;
        let outside = attach_outside(&links)?;
        links.set_up(TO_OUTSIDE, DEVICE, 24)?;
        Ok(Self { inside: inside.namespace, outside, _router: Some(router.namespace) })
    }

    /// Who is outside.
    pub(crate) fn outside_address() -> Ipv4Addr {
        OUTSIDE.into()
    }
}

/// Makes a namespace behind the uplink. It knows the way to the apps' addresses, which is needed only where nothing
/// translates them.
fn attach_outside(links: &Links) -> io::Result<OwnedFd> {
    let outside = make(&[])?;
    links.add_pair(End(TO_OUTSIDE, UPLINK), End(OF_OUTSIDE, UPLINK), outside.namespace.as_fd())?;
    let inside = Links::of(outside.routes);
    inside.set_up(OF_OUTSIDE, OUTSIDE, 24)?;
    let to = [100, 115, 92, 0];
    inside.add_route(OF_OUTSIDE, Route { to, prefix: 24, gateway: Some(DEVICE), source: OUTSIDE })?;
    Ok(outside.namespace)
}

/// Does something in a thread that is in a namespace.
pub(crate) fn within<T: Send>(
    namespace: &OwnedFd,
    body: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let enter = || {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        body()
    };
    let ended = scope(|scope| scope.spawn(enter).join());
    ended.unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
}

fn make(settings: &[(&str, &str)]) -> io::Result<NetworkNamespace> {
    netns::make(settings).map_err(io::Error::other)
}

/// The network namespace of the app, if it runs.
fn find_app() -> io::Result<Option<File>> {
    for process in fs::read_dir("/proc")?.flatten() {
        let folder: PathBuf = process.path();
        if fs::read_to_string(folder.join("comm")).is_ok_and(|name| name.trim_end() == APP) {
            return File::open(folder.join("ns/net")).map(Some);
        }
    }
    Ok(None)
}

/// Whether the new uplink is up (`IFF_UP`).
fn is_up() -> io::Result<bool> {
    let flags = fs::read_to_string(Path::new("/sys/class/net").join(UPLINK).join("flags"))?;
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).map_err(io::Error::other)?;
    Ok(flags & 1 == 1)
}

fn wait_for<T>(look: impl Fn() -> io::Result<Option<T>>) -> io::Result<T> {
    for _ in 0..STEPS {
        if let Some(found) = look()? {
            return Ok(found);
        }
        sleep(STEP);
    }
    Err(io::ErrorKind::TimedOut.into())
}
