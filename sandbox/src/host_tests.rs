use super::*;
use crate::spec::NetworkSpec;

fn spec() -> LaunchSpec {
    LaunchSpec {
        app: "com.example.thermostat".parse().unwrap(),
        argv: vec!["/app/bin/thermostat".to_owned()],
        uid: 61_200,
        root: "/state/root".to_owned(),
        data: Some("/state/data".to_owned()),
        dev: "/dev".to_owned(),
        socket: "/run/nacre".to_owned(),
        tmp_bytes: 65_536,
        open_files: 16,
        filter: vec![0; 16],
        layers_off: Vec::new(),
        network: None,
        writable_executable: false,
    }
}

fn host(caller: Caller) -> Host {
    let content = Content::Bytes(vec![0; 4096]);
    let files = vec![HostFile { path: "/app/bin/thermostat".to_owned(), program: true, content }];
    Host { caller, landlock: 6, memory: true, files, tasks: Some(8) }
}

fn text(spec: &LaunchSpec, host: &Host) -> String {
    Plan::on_host(spec, host).unwrap().to_string()
}

#[test]
fn plan_of_a_user_has_every_layer_of_a_device_in_a_namespace_of_his() {
    let spec = LaunchSpec { uid: 1000, ..spec() };
    assert_eq!(
        text(&spec, &host(Caller::User)),
        "hold /proc of the OS\n\
         map uid 1000 of a user namespace to 1000 outside\n\
         unshare mount net ipc uts cgroup\n\
         make mounts private\n\
         mount tmpfs of 274432 bytes for uid 1000 on /state/root nosuid,nodev\n\
         enter /state/root\n\
         make the app's tree, 1 files\n\
         mount /dev/null on dev/null nosuid,ro,noexec\n\
         mount /dev/zero on dev/zero nosuid,ro,noexec\n\
         mount /dev/full on dev/full nosuid,ro,noexec\n\
         mount /dev/random on dev/random nosuid,ro,noexec\n\
         mount /dev/urandom on dev/urandom nosuid,ro,noexec\n\
         mount proc on proc nosuid,ro,nodev,noexec\n\
         mount tmpfs of 65536 bytes for uid 1000 on tmp nosuid,nodev,noexec\n\
         mount /state/data on data nosuid,nodev,noexec\n\
         make it read-only\n\
         pivot to it\n\
         set host name thermostat\n\
         set OOM score 500\n\
         enter user namespace, uid 1000 inside is 1000 outside\n\
         allow no further user namespace\n\
         end with who started it\n\
         lock secure bits\n\
         empty the bounding set\n\
         drop all capabilities\n\
         set no_new_privs\n\
         check no capabilities, no_new_privs, as the kernel says\n\
         with landlock 6: restrict with landlock: read /, execute /app, write /dev, change /tmp, change /data, \
         no tcp, no signals or abstract sockets outwards\n\
         deny writable memory that is executable\n\
         set rlimits, 16 open files\n\
         set rlimits, 8 tasks\n\
         close descriptors from 3\n\
         load filter of 2 instructions\n\
         hand the filter's listener over\n\
         execute /app/bin/thermostat\n"
    );
}

#[test]
fn plan_of_root_changes_to_the_apps_uid() {
    let plan = text(&spec(), &host(Caller::Root));
    assert!(!plan.contains("map uid"));
    for step in [
        "become uid 61200 gid 61200, no groups\n",
        "enter user namespace, uid 1000 inside is 61200 outside\n",
        "mount tmpfs of 65536 bytes for uid 61200 on tmp",
    ] {
        assert!(plan.contains(step), "no `{step}` in:\n{plan}");
    }
    assert!(matches!(
        Plan::on_host(&LaunchSpec { uid: 0, ..spec() }, &host(Caller::Root)),
        Err(PlanError::Uid { uid: 0, .. })
    ));
}

#[test]
fn plan_leaves_out_what_the_machine_lacks_and_nothing_else() {
    let bare = Host { landlock: 0, memory: false, tasks: None, ..host(Caller::User) };
    let (all, less) = (text(&spec(), &host(Caller::User)), text(&spec(), &bare));
    let missing: Vec<&str> = all.lines().filter(|line| !less.contains(line)).collect();
    assert_eq!(missing.len(), 3, "{missing:?}");
    let network = NetworkSpec { bind: vec![80], connect: vec![443] };
    let plan = text(&LaunchSpec { network: Some(network), ..spec() }, &host(Caller::User));
    assert!(plan.contains("unshare mount ipc uts cgroup\n"), "it has the host's network");
    assert!(plan.contains("bind tcp 80, connect to tcp 443, no other tcp"));
}
