//! The fields of `nacre.yaml`.

use super::{Amount, COMPONENT, DEVICE, Field, RELATIVE, Shape, VERSION};
use crate::app::bounds;
use crate::describe::share;
use crate::unit::{show_duration, show_size};

/// A program below `/app/bin`.
const PROGRAM: &str = r"^/app/bin/[^/]+$";
/// A path in the app's image.
const IMAGE_PATH: &str = r"^/app/.*[^/]$";
/// A port of another machine.
const REMOTE: &str = r"^(tcp|udp):[a-z0-9]([a-z0-9.-]*[a-z0-9])?:[1-9][0-9]{0,4}$";
/// A port of the device.
const PORT: &str = r"^(tcp|udp):[1-9][0-9]{0,4}$";

/// Every field.
pub fn fields() -> Vec<Field> {
    [identity(), making(), life(), limits(), grants()].concat()
}

fn between(bounds: &std::ops::RangeInclusive<u64>, show: impl Fn(u64) -> String) -> String {
    format!("{} to {}", show(*bounds.start()), show(*bounds.end()))
}

fn number(bounds: &std::ops::RangeInclusive<u32>) -> Shape {
    Shape::Number { least: (*bounds.start()).into(), most: (*bounds.end()).into() }
}

fn identity() -> Vec<Field> {
    vec![
        Field::needed("app", Shape::text(COMPONENT, 64), "app: com.example.thermostat")
            .about("Who the app is: a reverse-DNS name that no other app of the image has. Its data, its uid and its updates belong to this name.")
            .limits("2 to 8 labels of a-z, 0-9 and hyphens, no hyphen at a label's end; at most 64 bytes")
            .enforced("the package's signature; the app manager, which knows an app by its uid and never by what it says"),
        Field::needed("version", Shape::text(VERSION, bounds::MAX_VERSION), "version: \"1.4\"")
            .about("Its version, for people. In quotes where YAML would take it for a number, like \"1.0\".")
            .limits(format!(
                "begins with a digit; letters, digits, `.`, `-`, `+`; at most {} bytes",
                bounds::MAX_VERSION
            )),
        Field::optional("rollback-index", Shape::Number { least: 0, most: u64::MAX }, "rollback-index: 3")
            .or(bounds::ROLLBACK_INDEX.to_string())
            .about("Its version, for machines: a package with a smaller one never takes the place of one with a greater one. Raise it when a fault is mended that nobody may go back to.")
            .enforced("the signed package, and the image's envelope for critical apps"),
    ]
}

fn making() -> Vec<Field> {
    let build = Shape::Either(vec![
        Shape::Words(vec!["cargo", "c", "none"]),
        Shape::list(Shape::Text { syntax: "", most: None }, 1, bounds::MAX_RUN),
    ]);
    let files =
        Shape::Map { names: IMAGE_PATH, of: Box::new(Shape::text(RELATIVE, 1024)), most: bounds::MAX_FILES };
    let run = Shape::List {
        first: Some(Box::new(Shape::text(PROGRAM, 1024))),
        of: Box::new(Shape::Text { syntax: "", most: None }),
        least: 1,
        most: bounds::MAX_RUN,
        distinct: false,
    };
    vec![
        Field::needed("build", build, "build: cargo")
            .about("How its programs are made. `cargo`: every binary of the crate beside the manifest. `c`: one program of src/*.c, with musl. `none`: nothing is built, the programs are among `files`. A list of words is a command, run without a shell in a fresh copy of the app's folder; what it leaves in the folder $NACRE_OUT lands in /app/bin (`nacre app build --help` lists its variables). Only the host reads this.")
            .limits(format!("a command has at most {} words and {} bytes", bounds::MAX_RUN, bounds::MAX_RUN_BYTES)),
        Field::optional("package", Shape::text(r"^[A-Za-z0-9_][A-Za-z0-9_-]*$", 64), "package: thermostat")
            .about("With `build: cargo` in a workspace: the package whose binaries are meant."),
        Field::optional("files", files, "files: { /app/share/table.csv: data/table.csv }")
            .or("{}")
            .about("Files that are packed as they are: the path in the app's image, and the file beside the manifest. What is below /app/bin can be executed, whatever its mode here.")
            .limits(format!(
                "at most {}; no `..`, and no link that leads out of the app's folder",
                bounds::MAX_FILES
            ))
            .enforced("the app's image is read-only and measured at every read (fs-verity)")
            .denial("writing to it: EROFS or EACCES"),
        Field::needed("run", run, "run: [/app/bin/thermostat, --interval, 5s]")
            .about("What is started: the program and its arguments, without a shell.")
            .limits(format!(
                "the program is in /app/bin; at most {} words and {} bytes",
                bounds::MAX_RUN,
                bounds::MAX_RUN_BYTES
            ))
            .enforced("the signed package; the app can execute its own programs, and nothing else is there"),
    ]
}

fn life() -> Vec<Field> {
    let restart = vec![
        Field::optional(
            "policy",
            Shape::Words(vec!["always", "on-failure", "never"]),
            "restart: { policy: always }",
        )
        .or("on-failure")
        .about("When it is started again: `always`; `on-failure`, after a crash or an exit code other than 0; `never`."),
        Field::optional("backoff", Shape::Amount(Amount::Span), "restart: { backoff: 2s..30s }")
            .or(format!(
                "{}..{}",
                show_duration(bounds::BACKOFF_MS.0.into()),
                // In one unit, so that it reads like a span.
                "60s"
            ))
            .about("The pause before it is started again: the first one, doubled each time up to the second one.")
            .limits(between(&bounds::BACKOFF_BOUNDS_MS, show_duration)),
        Field::optional("limit", Shape::Amount(Amount::Rate), "restart: { limit: 5 per 10m }")
            .or(format!(
                "{} per {}",
                bounds::RESTART_LIMIT.0,
                show_duration(bounds::RESTART_LIMIT.1.into())
            ))
            .about("After so many restarts in such a time it stays down, and the log says so.")
            .limits(format!(
                "{} to {} restarts within {}",
                bounds::RESTART_COUNT_BOUNDS.start(),
                bounds::RESTART_COUNT_BOUNDS.end(),
                between(&bounds::RESTART_WINDOW_BOUNDS_MS, show_duration)
            )),
    ];
    let health = vec![
        Field::needed("heartbeat", Shape::Amount(Amount::Time), "health: { heartbeat: 30s }")
            .about("The longest that it may be silent, from its start on. It says that it is well over /run/nacre (`System::heartbeat`).")
            .limits(between(&bounds::HEARTBEAT_BOUNDS_MS, show_duration))
            .enforced("the app manager ends the app's whole group; that counts as a crash"),
    ];
    vec![
        Field::optional("critical", Shape::Boolean, "critical: true").or("false").about(
            "Whether a boot without it counts as failed, so that an update goes back to the version before.",
        ),
        Field::optional("restart", Shape::Fields(restart), "restart: { policy: on-failure }")
            .about("What happens when it ends.")
            .enforced("the app manager"),
        Field::optional("health", Shape::Fields(health), "health: { heartbeat: 30s }")
            .about("How it shows that it is well. Without it, an app is well as long as it runs."),
        Field::optional("events", Shape::set(Shape::Words(vec!["shutdown"]), 8), "events: [shutdown]")
            .or("[]")
            .about("What it is told. `shutdown`: that it will be stopped, a second before SIGTERM.")
            .enforced("the app manager answers on /run/nacre")
            .denial("asking for what is not listed: a refusal that names this field"),
    ]
}

fn limits() -> Vec<Field> {
    let size = |name, example, default: u64| {
        Field::optional(name, Shape::Amount(Amount::Size), example).or(show_size(default))
    };
    let steps =
        |bounds: &_| format!("{}, in steps of {}", between(bounds, show_size), show_size(bounds::PAGE));
    let limits = vec![
        size("memory", "limits: { memory: 4MiB }", bounds::MEMORY)
            .about("Memory of all its processes together, with the files that they have read and /tmp.")
            .limits(steps(&bounds::MEMORY_BOUNDS))
            .enforced("cgroup v2, memory.max with memory.oom.group")
            .denial("the app's whole group is ended, and the log says: set limits.memory"),
        Field::optional("tasks", number(&bounds::TASKS_BOUNDS), "limits: { tasks: 8 }")
            .or(bounds::TASKS.to_string())
            .about("Processes and threads at once, the program itself among them.")
            .enforced("cgroup v2, pids.max")
            .denial("clone: EAGAIN, and the log says: set limits.tasks"),
        Field::optional("cpu", Shape::Amount(Amount::Share), "limits: { cpu: 25% }")
            .or(share(bounds::CPU_PERMILLE))
            .about("Its share of one CPU, when it wants more than that.")
            .limits(format!(
                "{} to {}",
                share(*bounds::CPU_PERMILLE_BOUNDS.start()),
                share(*bounds::CPU_PERMILLE_BOUNDS.end())
            ))
            .enforced("cgroup v2, cpu.max with a period of 100 ms")
            .denial("it waits; nothing is said"),
        Field::optional("open-files", number(&bounds::OPEN_FILES_BOUNDS), "limits: { open-files: 32 }")
            .or(bounds::OPEN_FILES.to_string())
            .about("Files, sockets and pipes that a process of it may have open.")
            .enforced("RLIMIT_NOFILE")
            .denial("open, socket and the like: EMFILE; nothing is said"),
        size("tmp", "limits: { tmp: 256KiB }", bounds::TMP)
            .about("Size of its private /tmp, which is empty at each start and counts as memory.")
            .limits(format!("{}; not more than `limits.memory`", steps(&bounds::TMP_BOUNDS)))
            .enforced("tmpfs, size=")
            .denial("write: ENOSPC; nothing is said"),
    ];
    let memory = vec![
        Field::optional("writable-executable", Shape::Boolean, "memory: { writable-executable: true }")
            .or("false")
            .about("Whether it may make code at run time, as a just-in-time compiler does.")
            .enforced("seccomp: mmap and mprotect with PROT_WRITE and PROT_EXEC, and mprotect to PROT_EXEC")
            .denial("EPERM, and the log says: set memory.writable-executable: true"),
    ];
    let storage = vec![
        Field::optional("data", Shape::Amount(Amount::Size), "storage: { data: 64KiB }")
            .or("0B")
            .about("What it may keep in /data, across restarts and updates. With 0B there is no /data that it could write to.")
            .limits(format!(
                "{}, in steps of {}; the board's data partition must hold it",
                between(&bounds::DATA_BOUNDS, show_size),
                show_size(bounds::DATA_BLOCK)
            ))
            .enforced("ext4's quota of the app's own uid, Landlock")
            .denial("write: EDQUOT; without storage: EACCES, and the log says: set storage.data"),
    ];
    vec![
        Field::optional("limits", Shape::Fields(limits), "limits: { memory: 4MiB, tasks: 8, cpu: 25% }")
            .about("The most that it may take. Nothing is set aside for it."),
        Field::optional("memory", Shape::Fields(memory), "memory: { writable-executable: true }")
            .about("What its memory may be."),
        Field::optional("storage", Shape::Fields(storage), "storage: { data: 64KiB }")
            .about("What it may keep on the device."),
    ]
}

fn grants() -> Vec<Field> {
    let network = vec![
        Field::optional(
            "connect",
            Shape::set(Shape::text(REMOTE, 265), bounds::MAX_CONNECT),
            "network: { connect: [\"tcp:api.example.com:443\"] }",
        )
        .or("[]")
        .about("Where it may connect or send to: protocol, host and port. A name is one machine, and only names that are listed here are resolved.")
        .limits(format!(
            "at most {}; tcp or udp; names in lower case, IPv4 addresses; ports 1 to 65535; no loopback, no multicast, no wildcard",
            bounds::MAX_CONNECT
        ))
        .enforced("packet filter and resolver outside of the app's network namespace; Landlock for TCP ports")
        .denial("EACCES, an ICMP error, or a name that does not exist; the log says: add \"tcp:HOST:PORT\" under network.connect"),
        Field::optional(
            "listen",
            Shape::set(Shape::text(PORT, 9), bounds::MAX_LISTEN),
            "network: { listen: [\"tcp:8080\"] }",
        )
        .or("[]")
        .about("Ports of the device that lead to the same port of the app.")
        .limits(format!(
            "at most {}; 1 to 65535, but not udp:68; no two apps of an image have the same",
            bounds::MAX_LISTEN
        ))
        .enforced("packet filter; Landlock for TCP ports")
        .denial("bind: EACCES; the log says: add \"tcp:PORT\" under network.listen"),
    ];
    let names = || Shape::set(Shape::text(DEVICE, 31), bounds::MAX_DEVICES);
    let devices = vec![
        Field::optional("gpio", names(), "devices: { gpio: [LED1] }")
            .or("[]")
            .about("GPIO lines, by the names that the board's file gives them.")
            .limits("the board has it, and no other app of the image is given it")
            .enforced("the app manager opens the line and passes its descriptor; the app sees no chip")
            .denial("a refusal on /run/nacre, and the log says: add \"NAME\" under devices.gpio"),
        Field::optional("uart", names(), "devices: { uart: [console2] }")
            .or("[]")
            .about("Serial ports, by the names that the board's file gives them.")
            .limits("the board has it, and no other app of the image is given it")
            .enforced("the app manager opens the port, raw and exclusive, and passes its descriptor; seccomp has no call to change it")
            .denial("a refusal on /run/nacre, and the log says: add \"NAME\" under devices.uart"),
    ];
    vec![
        Field::optional("network", Shape::Fields(network), "network: { listen: [\"tcp:8080\"] }")
            .about("What it may reach, and where it may be reached. Without it the app has a network namespace with nothing in it, and can't make a socket of the internet.")
            .limits("not empty: an entry under `connect` or `listen`"),
        Field::optional("devices", Shape::Fields(devices), "devices: { gpio: [LED1] }")
            .about("Devices of the board, each for this app alone.")
            .limits("not empty: a name under `gpio` or `uart`"),
        Field::optional(
            "system",
            Shape::set(Shape::Words(vec!["stats", "apps-status"]), 4),
            "system: [stats]",
        )
        .or("[]")
        .about("What it may ask the OS. `stats`: CPU time, memory and uptime of the device. `apps-status`: state, memory and restarts of every app.")
        .enforced("the app manager, on /run/nacre")
        .denial("a refusal, and the log says: add \"stats\" under system"),
        Field::optional(
            "apps",
            Shape::set(Shape::text(COMPONENT, 64), bounds::MAX_PEERS),
            "apps: [com.example.logger]",
        )
        .or("[]")
        .about("Apps with which it may exchange messages. Both sides must say so.")
        .limits(format!("at most {}; the image has them, and they list this app", bounds::MAX_PEERS))
        .enforced("the app manager, on /run/nacre")
        .denial("a refusal, and the log says: add \"ID\" under apps"),
    ]
}
