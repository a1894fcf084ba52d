//! What Landlock and the mounts let an app do with files and TCP ports, in order to say which line of the manifest
//! is missing when they deny something. It decides nothing: the kernel does, by what the launcher told it.

use std::net::SocketAddrV4;

use nacre_manifest::device::{Manifest, Protocol};
use nacre_wire::denial::Remedy;

use crate::denials::Refusal;

/// Device nodes that an app finds, all of them writable.
const NODES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// What an app may do beyond reading and executing its image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    data: bool,
    tmp: bool,
    connect: Vec<u16>,
    bind: Vec<u16>,
}

/// Something done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Open it for writing, or create it.
    Write,
    /// Make a folder, a link or a socket.
    Make,
    /// Remove it.
    Remove,
    /// Give it another name, or take that one.
    Rename,
    /// Execute it.
    Execute,
}

/// Something done with a TCP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortDeed {
    /// Connect to it.
    Connect,
    /// Bind to it, in order to listen.
    Bind,
}

impl Access {
    /// What a manifest gives.
    pub fn of(manifest: &Manifest) -> Self {
        let tcp =
            |port: &nacre_manifest::device::Port| (port.protocol == Protocol::Tcp).then_some(port.number);
        let network = manifest.network.as_ref();
        Self {
            data: manifest.data_bytes > 0,
            tmp: manifest.limits.tmp_bytes > 0,
            connect: network
                .map(|network| network.connect.iter().filter_map(|remote| tcp(&remote.port)).collect())
                .unwrap_or_default(),
            bind: network.map(|network| network.listen.iter().filter_map(tcp).collect()).unwrap_or_default(),
        }
    }

    /// What is refused of a deed with `path`, absolute and without `.` and `..` ([`absolute`]). A path that leads
    /// elsewhere by a link is judged by its name.
    pub fn judge_path(&self, path: &str, deed: Deed) -> Option<Refusal> {
        let below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let itself = |folder: &str| path == folder;
        let remedy = if deed == Deed::Execute {
            if below("/app") {
                return None;
            }
            Remedy::never("an app executes programs of its own image only, those below /app")
        } else if below("/data") || (itself("/data") && !self.data) {
            if self.data {
                return None;
            }
            Remedy::manifest("", "storage.data", "64KiB")
        } else if below("/tmp") || (itself("/tmp") && !self.tmp) {
            if self.tmp {
                return None;
            }
            Remedy::manifest("", "limits.tmp", "64KiB")
        } else if below("/dev") {
            let node = path.strip_prefix("/dev/").unwrap_or_default();
            if deed == Deed::Write && NODES.contains(&node) {
                return None;
            }
            Remedy::never(
                "devices come by descriptor from the OS, where the manifest lists them under `devices`",
            )
        } else if below("/proc") || below("/sys") {
            Remedy::never("nothing of the kernel is changed by an app")
        } else {
            Remedy::never("the image is read-only; /data and /tmp are the app's own")
        };
        let tried = match deed {
            Deed::Write => format!("open {path} for writing"),
            Deed::Make => format!("make {path}"),
            Deed::Remove => format!("remove {path}"),
            Deed::Rename => format!("rename {path}"),
            Deed::Execute => format!("execute {path}"),
        };
        Some(Refusal { tried, remedy })
    }

    /// What Landlock refuses of a deed with a TCP socket. Which machine is the packet filter's affair.
    pub fn judge_port(&self, address: SocketAddrV4, deed: PortDeed) -> Option<Refusal> {
        let port = address.port();
        let (tried, remedy) = match deed {
            PortDeed::Connect if self.connect.contains(&port) => return None,
            PortDeed::Bind if self.bind.contains(&port) => return None,
            PortDeed::Connect => (
                format!("connect tcp {address}"),
                Remedy::manifest("", "network.connect", &format!("tcp:{address}")),
            ),
            PortDeed::Bind if port == 0 => (
                "bind tcp to any port".to_owned(),
                Remedy::never("a manifest lists the ports under `network.listen` by number"),
            ),
            PortDeed::Bind => (
                format!("bind tcp port {port}"),
                Remedy::manifest("", "network.listen", &format!("tcp:{port}")),
            ),
        };
        Some(Refusal { tried, remedy })
    }
}

/// `path` as seen from the folder `base`, without `.`, `..` and doubled slashes.
pub fn absolute(base: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{base}/{path}") };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_that_is_refused_is_told_with_the_line_that_allows_it_or_why_none_does() {
        let nothing = Access::default();
        let all = Access { data: true, tmp: true, ..Access::default() };
        for (path, deed, without, with) in [
            (
                "/data/x",
                Deed::Write,
                Some("open /data/x for writing — set storage.data: 64KiB in /nacre.yaml"),
                None,
            ),
            ("/data/x", Deed::Make, Some("make /data/x — set storage.data: 64KiB in /nacre.yaml"), None),
            ("/tmp/a/b", Deed::Remove, Some("remove /tmp/a/b — set limits.tmp: 64KiB in /nacre.yaml"), None),
            ("/dev/null", Deed::Write, None, None),
            ("/app/bin/x", Deed::Execute, None, None),
        ] {
            let text = |access: &Access| access.judge_path(path, deed).map(|refusal| refusal.to_string());
            assert_eq!((text(&nothing).as_deref(), text(&all).as_deref()), (without, with), "{path}");
        }
        for (path, deed) in [
            ("/app/bin/x", Deed::Write),
            ("/app/bin/x", Deed::Rename),
            ("/database", Deed::Write),
            ("/", Deed::Remove),
            ("/dev/mem", Deed::Write),
            ("/dev/null", Deed::Remove),
            ("/proc/self/mem", Deed::Write),
            ("/data/x", Deed::Execute),
            ("/tmp/x", Deed::Execute),
            ("/application/x", Deed::Execute),
        ] {
            let refusal = all.judge_path(path, deed);
            assert!(matches!(refusal, Some(Refusal { remedy: Remedy::Never { .. }, .. })), "{path} {deed:?}");
        }
    }

    #[test]
    fn port_that_is_refused_is_told_with_the_entry_that_allows_it() {
        let access = Access { connect: vec![443], bind: vec![80], ..Access::default() };
        let address = |port| SocketAddrV4::new([10, 0, 2, 2].into(), port);
        let text = |port, deed| access.judge_port(address(port), deed).map(|refusal| refusal.to_string());
        assert_eq!(text(443, PortDeed::Connect), None);
        assert_eq!(text(80, PortDeed::Bind), None);
        assert_eq!(
            text(8883, PortDeed::Connect).unwrap(),
            "connect tcp 10.0.2.2:8883 — add \"tcp:10.0.2.2:8883\" under network.connect in /nacre.yaml"
        );
        assert_eq!(
            text(443, PortDeed::Bind).unwrap(),
            "bind tcp port 443 — add \"tcp:443\" under network.listen in /nacre.yaml"
        );
        assert!(text(0, PortDeed::Bind).unwrap().contains("never allowed"));
    }

    #[test]
    fn absolute_paths_have_no_dots() {
        for (base, path, expected) in [
            ("/", "x", "/x"),
            ("/data", "a/../b//c/.", "/data/b/c"),
            ("/data", "/etc/../tmp/x", "/tmp/x"),
            ("/data", "../../..", "/"),
            ("", "", "/"),
        ] {
            assert_eq!(absolute(base, path), expected);
        }
    }
}
