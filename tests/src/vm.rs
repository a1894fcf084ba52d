//! A running `nacre run`, line by line.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use regex::Regex;

use crate::image::Image;
use crate::nacre::{judge, nacre};

/// How long a line may take. The emulated machine is slow, and what it runs on is shared and noisy: only what hangs
/// takes so long.
const PATIENCE: Duration = Duration::from_secs(480);

/// A virtual machine; ended when this is dropped.
#[derive(Debug)]
pub struct Vm {
    child: Child,
    lines: Receiver<String>,
    /// Ports of the device, and where on this machine they are reached.
    forwards: Vec<(u16, SocketAddr)>,
    /// Everything it printed so far.
    pub transcript: Vec<String>,
}

impl Vm {
    /// Boots an image with `nacre run`.
    pub fn start(image: &Image, options: &[&str]) -> Self {
        let mut command = image.nacre();
        command.args(["run", image.arg()]).args(options);
        Self::of(command)
    }

    /// A machine that another command of `nacre` runs.
    pub fn of(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nacre starts");
        let (sender, lines) = channel();
        let pipes: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("stdout is a pipe")),
            Box::new(child.stderr.take().expect("stderr is a pipe")),
        ];
        for pipe in pipes {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    let _ = sender.send(String::from_utf8_lossy(&line).trim_end().to_owned());
                }
            });
        }
        Self { child, lines, forwards: Vec::new(), transcript: Vec::new() }
    }

    /// Boots an image, and forwards free ports of this machine to these TCP ports of the device;
    /// [`Vm::address`] says which.
    pub fn start_with_ports(image: &Image, ports: &[u16], options: &[&str]) -> Self {
        let forwards: Vec<String> = ports.iter().map(|port| format!("--forward=0:{port}")).collect();
        let forwards = forwards.iter().map(String::as_str);
        let mut vm = Self::start(image, &forwards.chain(options.iter().copied()).collect::<Vec<_>>());
        for port in ports {
            let found = vm.wait_for(&format!(r"^notice: (\S+) leads to port {port} of the device \(tcp\)$"));
            vm.forwards.push((*port, found[1].parse().expect("the notice has an address")));
        }
        vm
    }

    /// Where on this machine a port of the device is reached, which [`Vm::start_with_ports`] has forwarded.
    pub fn address(&self, port: u16) -> SocketAddr {
        self.forwards.iter().find(|(device, _)| *device == port).expect("the port is forwarded").1
    }

    /// Waits until a forwarded port answers: for the first time, or after a restart of the device once more.
    pub fn wait_for_port(&mut self, port: u16) -> SocketAddr {
        let address = self.address(port);
        let dots = address.to_string().replace('.', r"\.");
        self.wait_for(&format!("^notice: http://{dots}/ is open "));
        address
    }

    /// Waits for a line that matches, and returns the groups of the match. Lines seen before don't count.
    pub fn wait_for(&mut self, pattern: &str) -> Vec<String> {
        let regex = Regex::new(pattern).expect("a test's pattern is valid");
        let until = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let groups = regex.captures(&line).map(|captures| {
                        captures
                            .iter()
                            .map(|group| group.map_or("", |group| group.as_str()).to_owned())
                            .collect()
                    });
                    self.transcript.push(line);
                    if let Some(groups) = groups {
                        return groups;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no line matched `{pattern}` in time:\n{}", self.tail())
                }
                Err(RecvTimeoutError::Disconnected) => panic!("ended before `{pattern}`:\n{}", self.tail()),
            }
        }
    }

    /// A number out of the line that [`Vm::wait_for`] finds.
    pub fn wait_for_number(&mut self, pattern: &str) -> u64 {
        self.wait_for(pattern)[1].parse().expect("the group is a number")
    }

    /// Whether a line printed so far matches.
    pub fn has_printed(&self, pattern: &str) -> bool {
        let regex = Regex::new(pattern).expect("a test's pattern is valid");
        self.transcript.iter().any(|line| regex.is_match(line))
    }

    /// `nacre device` against this machine; what it printed. Panics when it fails.
    pub fn device(&self, image: &Image, arguments: &[&str]) -> String {
        let output = self.try_device(image, arguments);
        assert!(
            output.status.success(),
            "nacre device {arguments:?}: {}\n{}",
            crate::nacre::text(&output),
            self.tail()
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `nacre device` against this machine, whatever comes of it.
    pub fn try_device(&self, image: &Image, arguments: &[&str]) -> Output {
        nacre().args(["device", "--dir", image.arg()]).args(arguments).output().expect("nacre starts")
    }

    /// Cuts the power: QEMU is killed between two instructions, and nothing is written any more.
    pub fn cut_power(mut self) {
        let qemu = self.qemu();
        judge("kill", &["-KILL", &qemu.to_string()]);
        let _ = self.child.wait();
    }

    /// Kills `nacre run`, which can't clean up then. QEMU must not outlive it by more than a moment.
    pub fn kill(mut self) {
        let qemu = self.qemu();
        self.child.kill().expect("the child is ours");
        let _ = self.child.wait();
        let until = Instant::now() + Duration::from_secs(5);
        // Dead is enough: who collects it is not ours to say.
        while fs::read_to_string(format!("/proc/{qemu}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(Instant::now() < until, "QEMU outlives nacre run");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the machine to end by itself, and returns the exit code of `nacre run`.
    pub fn wait(&mut self) -> Option<i32> {
        let code = self.child.wait().expect("the child is ours").code();
        self.transcript.extend(self.lines.try_iter());
        code
    }

    /// The process id of the QEMU that `nacre run` started.
    fn qemu(&self) -> u32 {
        let nacre = self.child.id();
        let tasks = fs::read_dir(format!("/proc/{nacre}/task")).expect("nacre runs");
        let children =
            tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let pids: Vec<u32> = children
            .flat_map(|text| text.split_whitespace().flat_map(str::parse).collect::<Vec<_>>())
            .collect();
        let is_qemu = |pid: &&u32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("qemu-system"))
        };
        *pids.iter().find(is_qemu).expect("QEMU is a child of nacre run")
    }

    fn tail(&self) -> String {
        self.transcript.iter().rev().take(60).rev().cloned().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // SIGINT, as Ctrl-C would: nacre run ends QEMU with itself.
        let _ = std::process::Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}
