use super::*;
use crate::spec::NetworkSpec;

fn spec() -> LaunchSpec {
    LaunchSpec {
        app: "org.nacre.recorder".parse().unwrap(),
        argv: vec!["/app/bin/recorder".to_owned(), "--every".to_owned(), "1s".to_owned()],
        uid: 20_001,
        root: "/run/apps/org.nacre.recorder/root".to_owned(),
        data: Some("/data/apps/org.nacre.recorder".to_owned()),
        dev: "/run/apps/dev".to_owned(),
        socket: "/run/nacre.sock".to_owned(),
        tmp_bytes: 65_536,
        open_files: 32,
        filter: vec![0; 24],
        layers_off: Vec::new(),
        network: None,
        writable_executable: false,
    }
}

const GOLDEN: &str = "\
hold /proc of the OS
unshare mount net ipc uts cgroup
make mounts private
mount /run/apps/org.nacre.recorder/root on /run/apps/org.nacre.recorder/root nosuid,ro,nodev
enter /run/apps/org.nacre.recorder/root
mount proc on proc nosuid,ro,nodev,noexec
mount /run/apps/dev on dev nosuid,ro,noexec
mount /run/nacre.sock on run/nacre nosuid,ro,nodev,noexec
mount tmpfs of 65536 bytes for uid 20001 on tmp nosuid,nodev,noexec
mount /data/apps/org.nacre.recorder on data nosuid,nodev,noexec
pivot to it
set host name recorder
set OOM score 500
become uid 20001 gid 20001, no groups
enter user namespace, uid 1000 inside is 20001 outside
allow no further user namespace
lock secure bits
empty the bounding set
drop all capabilities
set no_new_privs
check no capabilities, no_new_privs, as the kernel says
restrict with landlock: read /, execute /app, write /dev, change /tmp, change /data, no tcp, no signals or abstract sockets outwards
deny writable memory that is executable
set rlimits, 32 open files
close descriptors from 3
load filter of 3 instructions
hand the filter's listener over
execute /app/bin/recorder
";

fn refusal(change: impl FnOnce(&mut LaunchSpec)) -> String {
    let mut spec = spec();
    change(&mut spec);
    Plan::new(&spec).unwrap_err().to_string()
}

#[test]
fn plan_with_every_layer_has_these_steps_in_this_order() {
    assert_eq!(Plan::new(&spec()).unwrap().to_string(), GOLDEN);
}

#[test]
fn plan_with_a_network_joins_it_and_opens_its_ports_alone() {
    let network = NetworkSpec { bind: vec![8080, 8081], connect: vec![443] };
    let plan = Plan::new(&LaunchSpec { network: Some(network), ..spec() }).unwrap().to_string();
    let expected = GOLDEN
        .replace(
            "unshare mount net ipc uts cgroup\n",
            "unshare mount ipc uts cgroup\njoin the app's network namespace\n",
        )
        .replace(" no tcp,", " bind tcp 8080, bind tcp 8081, connect to tcp 443, no other tcp,");
    assert_eq!(plan, expected);
}

#[test]
fn plan_with_a_network_but_no_tcp_ports_allows_no_tcp() {
    let network = NetworkSpec { bind: vec![], connect: vec![] };
    let plan = Plan::new(&LaunchSpec { network: Some(network), ..spec() }).unwrap().to_string();
    assert!(plan.contains("join the app's network namespace") && plan.contains(", no tcp,"), "{plan}");
}

#[test]
fn plan_without_data_and_tmp_grants_no_writable_folder() {
    let plan = Plan::new(&LaunchSpec { data: None, tmp_bytes: 0, ..spec() }).unwrap().to_string();
    assert!(!plan.contains("/data") && !plan.contains("tmpfs") && !plan.contains("change"), "{plan}");
}

#[test]
fn description_that_makes_no_sense_is_refused() {
    let cases = [
        (refusal(|spec| spec.argv.clear()), "plan the launch of org.nacre.recorder: no program is named"),
        (
            refusal(|spec| spec.argv[0] = "/data/tool".to_owned()),
            "plan the launch of org.nacre.recorder: the program `/data/tool` is not under /app/",
        ),
        (
            refusal(|spec| spec.argv[0] = "/app/../data/tool".to_owned()),
            "plan the launch of org.nacre.recorder: the program `/app/../data/tool` is not under /app/",
        ),
        (
            refusal(|spec| spec.argv[1] = "a\0b".to_owned()),
            "plan the launch of org.nacre.recorder: an argument contains a zero byte",
        ),
        (refusal(|spec| spec.uid = 0), "plan the launch of org.nacre.recorder: uid 0 is below 20000"),
        (
            refusal(|spec| spec.data = Some("apps".to_owned())),
            "plan the launch of org.nacre.recorder: path `apps` is not absolute",
        ),
        (
            refusal(|spec| spec.filter.clear()),
            "plan the launch of org.nacre.recorder: a filter of 0 bytes is none",
        ),
        (
            refusal(|spec| spec.filter.truncate(23)),
            "plan the launch of org.nacre.recorder: a filter of 23 bytes is none",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(text, expected);
    }
}

#[cfg(not(feature = "layer-switches"))]
#[test]
fn layer_to_switch_off_is_refused_without_the_feature() {
    let mut spec = spec();
    spec.layers_off = vec!["seccomp".to_owned()];
    let error = Plan::new(&spec).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "this launcher cannot switch layers off");
}

#[cfg(feature = "layer-switches")]
mod switched {
    use super::*;

    fn plan(off: &[&str]) -> Plan {
        let layers_off = off.iter().map(|name| (*name).to_owned()).collect();
        Plan::new(&LaunchSpec { layers_off, ..spec() }).unwrap()
    }

    #[test]
    fn all_layers_off_leaves_the_execution() {
        let golden = "hold /proc of the OS\nleave /proc of the OS open\nexecute /run/apps/org.nacre.recorder/root/app/bin/recorder\n";
        let plan = plan(&["all"]);
        assert_eq!(plan.to_string(), golden);
        assert!(plan.program.filter.is_empty());
    }

    #[test]
    fn one_layer_off_takes_only_its_steps_away() {
        let full = plan(&[]).to_string();
        let cases: &[(&str, &[&str])] = &[
            ("seccomp", &["load filter", "hand the filter's listener over"]),
            ("landlock", &["restrict with landlock"]),
            ("uid", &["become uid"]),
            ("user-namespace", &["enter user namespace", "allow no further"]),
            ("rlimits", &["set OOM score", "set rlimits"]),
            ("descriptors", &["close descriptors"]),
            ("memory", &["deny writable memory"]),
            ("no-new-privs", &["drop all capabilities", "set no_new_privs", "check"]),
        ];
        for (layer, gone) in cases {
            let left = plan(&[layer]).to_string();
            let missing: Vec<&str> = full
                .lines()
                .filter(|line| !left.contains(*line))
                .filter(|line| !gone.iter().any(|start| line.starts_with(start)))
                .collect();
            let changed = if *layer == "uid" { 1 } else { 0 }; // the user namespace maps uid 0 then
            assert_eq!(missing.len(), changed, "{layer}: {missing:?}");
            assert!(gone.iter().all(|start| !left.lines().any(|line| line.starts_with(start))), "{layer}");
        }
    }

    #[test]
    fn network_without_the_namespaces_is_that_of_the_os() {
        let network = Some(NetworkSpec { bind: vec![80], connect: vec![] });
        let layers_off = vec!["namespaces".to_owned()];
        let plan = Plan::new(&LaunchSpec { network, layers_off, ..spec() }).unwrap().to_string();
        assert!(!plan.contains("join") && plan.contains("bind tcp 80"), "{plan}");
    }

    #[test]
    fn layers_of_others_are_none_of_the_launchers() {
        assert_eq!(plan(&["packet-filter", "cgroup", "quota"]).to_string(), GOLDEN);
    }

    #[test]
    fn unknown_layer_is_refused() {
        let layers_off = vec!["sandbox".to_owned()];
        let error = Plan::new(&LaunchSpec { layers_off, ..spec() }).unwrap_err();
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "there is no layer `sandbox`");
    }
}
