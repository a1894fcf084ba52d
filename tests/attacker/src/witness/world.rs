//! The whole machine, as root sees it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nacre_manifest::apps_network::app_address;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::catalogue::{ATTACKER, VICTIM};
use crate::decoy;
use crate::order::{OS_SECRET, Order, TOKEN, victim_file};

/// How long apps may take to be there again.
const COME_BACK: Duration = Duration::from_secs(20);

/// What the witness knows.
pub(crate) struct World {
    /// The attack that is due.
    pub(crate) order: Order,
    /// What the attacker can't know but from where it was planted.
    pub(crate) secret: String,
    /// The attacker's first process.
    pub(crate) attacker: i32,
    /// The victim's first process.
    pub(crate) victim: i32,
    /// The app manager.
    pub(crate) appmgr: i32,
    /// The decoy and the address of its secret.
    pub(crate) decoy: Option<(Child, usize)>,
    /// What was there before, by the scene.
    pub(crate) before: Vec<u8>,
    /// Something that a scene keeps open or remembers.
    pub(crate) kept: Option<File>,
    /// The witness's connection to the app manager, once it was needed.
    pub(crate) system: Option<nacre_app::System>,
    /// The victim's beats when the witness last saw a new one, and when.
    pub(crate) beat: (String, Instant),
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            order: Order::default(),
            secret: String::new(),
            attacker: 0,
            victim: 0,
            appmgr: 0,
            decoy: None,
            before: Vec::new(),
            kept: None,
            system: None,
            beat: (String::new(), Instant::now()),
        }
    }

    /// Waits until everybody is there, and makes the next order.
    pub(crate) fn ready(&mut self, number: u32, name: &str) -> bool {
        let until = Instant::now() + COME_BACK;
        while !self.find_everybody() {
            if Instant::now() > until {
                return false;
            }
            sleep(Duration::from_millis(50));
        }
        self.secret = token();
        self.before.clear();
        self.kept = None;
        self.order = Order { number, name: name.to_owned(), token: token(), ..Order::default() };
        let own = |pid: i32| pid.to_string();
        self.fact("victim", &own(self.victim));
        self.fact("appmgr", &own(self.appmgr));
        self.fact("victim-uid", &uid_of(VICTIM).to_string());
        self.fact("uid", &uid_of(ATTACKER).to_string());
        // By their names the attacker comes first, the victim second.
        self.fact("victim-address", &address(1));
        self.fact("own-address", &address(0));
        for partition in ["data", "slot-b"] {
            if let Some((device, numbers)) = partition_of(partition) {
                self.fact(partition, &device);
                self.fact(&format!("{partition}-numbers"), &numbers);
            }
        }
        true
    }

    /// Lets the attacker know something.
    pub(crate) fn fact(&mut self, name: &str, value: &str) {
        self.order.facts.insert(name.to_owned(), value.to_owned());
    }

    fn find_everybody(&mut self) -> bool {
        self.appmgr = processes().find(|pid| comm(*pid) == "appmgr" && parent(*pid) == 1).unwrap_or(0);
        let first = |app: &str, begins: &str| {
            let pids = group(app);
            pids.into_iter().find(|pid| parent(*pid) == self.appmgr && comm(*pid).starts_with(begins))
        };
        self.attacker = first(ATTACKER, "atk.").unwrap_or(0);
        self.victim = first(VICTIM, "victim").unwrap_or(0);
        let beats = fs::metadata(self.victim_tmp("beat")).is_ok();
        self.appmgr != 0 && self.attacker != 0 && self.victim != 0 && beats
    }

    /// A file in the victim's `/tmp`.
    pub(crate) fn victim_tmp(&self, name: &str) -> String {
        format!("/proc/{}/root/tmp/{name}", self.victim)
    }

    /// Gives the order.
    pub(crate) fn send_order(&self) -> std::io::Result<()> {
        let mut pipe = OpenOptions::new().write(true).open(format!("/proc/{}/fd/0", self.attacker))?;
        pipe.write_all(self.order.line().as_bytes())
    }

    /// How the attack ended, once it has.
    pub(crate) fn ended(&self) -> Option<i32> {
        let name = comm(self.attacker);
        if name.is_empty() || parent(self.attacker) != self.appmgr {
            // Its end was the app's.
            return Some(200 + Signal::SIGKILL as i32);
        }
        let mut parts = name.strip_prefix("atk.")?.split('.');
        let number: u32 = parts.next()?.parse().ok()?;
        (number == self.order.number).then(|| parts.next()?.parse().ok()).flatten()
    }

    /// Processes of attacks.
    pub(crate) fn hits(&self) -> Vec<i32> {
        let in_group = group(ATTACKER);
        let is_hit = |pid: &i32| {
            *pid != self.attacker
                && (in_group.contains(pid)
                    || matches!(comm(*pid).as_str(), "hit")
                    || cgroup(*pid).contains(ATTACKER))
        };
        processes().filter(is_hit).collect()
    }

    /// Ends what is left of an attack.
    pub(crate) fn clean_up(&mut self) {
        for _ in 0..40 {
            let named = [self.secret.as_str(), self.order.token.as_str(), "hit"];
            let mut left = self.hits();
            left.extend(processes().filter(|pid| named.contains(&comm(*pid).as_str())));
            left.retain(|pid| !is_dead(*pid));
            if left.is_empty() {
                break;
            }
            for pid in left {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            sleep(Duration::from_millis(25));
        }
        self.end_decoy();
        for point in mount_points("nacre-at-") {
            let _ = umount2(point.as_str(), MntFlags::MNT_DETACH);
        }
        for folder in [format!("/data/apps/{ATTACKER}"), "/tmp".into(), "/run".into(), "/dev".into()] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with("nacre-at-") {
                    remove(&entry.path());
                }
            }
        }
    }

    /// Starts the decoy with the attack's secret.
    pub(crate) fn start_decoy(&mut self) {
        let secret = format!("{}{}", self.order.mark(), self.secret);
        let program = format!("/proc/{}/exe", std::process::id());
        let child = Command::new(program).args(["decoy", &secret]).env("DECOY", &secret).spawn();
        let Ok(child) = child else { return };
        let pid = child.id() as i32;
        let until = Instant::now() + Duration::from_secs(3);
        let mut address = None;
        while address.is_none() && Instant::now() < until {
            sleep(Duration::from_millis(10));
            address = comm(pid).strip_prefix('@').and_then(|digits| usize::from_str_radix(digits, 16).ok());
        }
        let address = address.unwrap_or(0);
        self.fact("decoy", &pid.to_string());
        self.fact("decoy-at", &format!("0x{address:x}"));
        self.fact("decoy-bytes", &secret.len().to_string());
        self.fact("decoy-descriptor", &decoy::DESCRIPTOR.to_string());
        self.decoy = Some((child, address));
    }

    fn end_decoy(&mut self) {
        if let Some((mut child, _)) = self.decoy.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Writes the attack's secret where only root may read it.
    pub(crate) fn plant_os_secret(&self) {
        let text = format!("{}{}", self.order.mark(), self.secret);
        if let Ok(mut file) = File::create(OS_SECRET) {
            let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
            let _ = file.write_all(text.as_bytes());
            let _ = file.sync_all();
        }
    }

    /// Writes it where only the victim may read it.
    pub(crate) fn plant_victim_secret(&self) {
        let path = victim_file("secret");
        let text = format!("{}{}", self.order.mark(), self.secret);
        if let Ok(mut file) = File::create(&path) {
            let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
            let _ = file.write_all(text.as_bytes());
            let _ = file.sync_all();
        }
        let uid = uid_of(VICTIM);
        let _ = chown(path, Some(uid), Some(uid));
    }

    /// Whether a process has the attack's secret for a name.
    pub(crate) fn is_claimed(&self) -> bool {
        processes().any(|pid| comm(pid) == self.secret)
    }
}

/// Twelve random hexadecimal digits.
fn token() -> String {
    let mut bytes = [0; TOKEN / 2];
    if let Ok(mut random) = File::open("/dev/urandom") {
        let _ = random.read_exact(&mut bytes);
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn address(app: u8) -> String {
    std::net::Ipv4Addr::from(app_address(app)).to_string()
}

/// All processes.
pub(crate) fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Processes of an app's cgroup.
pub(crate) fn group(app: &str) -> Vec<i32> {
    let text = fs::read_to_string(format!("/sys/fs/cgroup/apps/{app}/cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// A process's name; empty if there is none.
pub(crate) fn comm(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end_matches('\n').to_owned()
}

/// What `/proc/<pid>/cgroup` says.
pub(crate) fn cgroup(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default()
}

/// A field of `/proc/<pid>/status`.
pub(crate) fn status(pid: i32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

fn parent(pid: i32) -> i32 {
    status(pid, "PPid").parse().unwrap_or(-1)
}

fn is_dead(pid: i32) -> bool {
    let state = status(pid, "State");
    state.is_empty() || state.starts_with('Z')
}

/// The targets of a process's descriptors.
pub(crate) fn descriptors(pid: i32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect()
}

/// A process's memory.
pub(crate) fn memory_at(pid: i32, address: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let read = File::open(format!("/proc/{pid}/mem"))
        .and_then(|file| file.read_exact_at(&mut bytes, address as u64));
    if read.is_ok() { bytes } else { Vec::new() }
}

/// The uid of an app.
pub(crate) fn uid_of(app: &str) -> u32 {
    let text = fs::read_to_string("/data/state/uids").unwrap_or_default();
    let line = text.lines().find_map(|line| line.split_once(' ').filter(|(_, id)| *id == app));
    line.and_then(|(uid, _)| uid.parse().ok()).unwrap_or(0)
}

/// The device of a partition: its path, and `major:minor`.
pub(crate) fn partition_of(name: &str) -> Option<(String, String)> {
    for entry in fs::read_dir("/sys/class/block").ok()?.flatten() {
        let text = fs::read_to_string(entry.path().join("uevent")).unwrap_or_default();
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        if value("PARTNAME=").as_deref() == Some(name) {
            let (major, minor) = (value("MAJOR=")?, value("MINOR=")?);
            return Some((format!("/dev/{}", value("DEVNAME=")?), format!("{major}:{minor}")));
        }
    }
    None
}

fn mount_points(part: &str) -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|point| point.contains(part)).map(str::to_owned).collect()
}

/// Removes whatever it is, also if it was made immutable.
pub(crate) fn remove(path: &Path) {
    if fs::remove_file(path).is_err() && fs::remove_dir_all(path).is_err() {
        if let Ok(file) = File::open(path) {
            let _ = crate::attacks::persistence::set_flags(&file, 0);
        }
        let _ = fs::remove_file(path);
    }
}

/// A process's effective uid, as the OS counts it.
pub(crate) fn effective_uid(pid: i32) -> u32 {
    status(pid, "Uid").split_whitespace().nth(1).and_then(|uid| uid.parse().ok()).unwrap_or(u32::MAX)
}

/// Whether a process with this among its arguments is the kernel's own child.
pub(crate) fn started_by_kernel(argument: &str) -> bool {
    processes().any(|pid| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let by_kernel = status(parent(pid), "Kthread") == "1" || parent(pid) == 2;
        by_kernel && String::from_utf8_lossy(&arguments).contains(argument)
    })
}

/// What init set on the mounts, after an attack that took it away.
pub(crate) fn harden_mounts() {
    use nix::mount::{MsFlags, mount};
    let flags =
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    for point in ["/data", "/tmp", "/run"] {
        let _ = mount(None::<&str>, point, None::<&str>, flags, None::<&str>);
    }
}
