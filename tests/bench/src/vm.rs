//! A running `nacre run`, its lines and its ports.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Result;
use crate::programs::{Programs, command, run};

/// How long a line may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A virtual machine; ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Vm {
    child: Child,
    lines: Receiver<String>,
    last: Vec<String>,
}

impl Vm {
    /// Boots an image with its disk as built.
    pub(crate) fn start(programs: &Programs, image: &Path, options: &[&str]) -> Result<Self> {
        let mut nacre = command(&programs.nacre, &["run", "--fresh"]);
        nacre.args(options).arg(image);
        if let Some(first) = &programs.first_in_path {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders = std::iter::once(first.clone()).chain(std::env::split_paths(&path));
            nacre.env("PATH", std::env::join_paths(folders)?);
        }
        Self::of(nacre)
    }

    /// A VM that a command starts; its console is standard output.
    pub(crate) fn of(mut command: Command) -> Result<Self> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (sender, lines) = channel();
        let pipes: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as Box<_>),
            child.stderr.take().map(|pipe| Box::new(pipe) as Box<_>),
        ];
        for pipe in pipes.into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(std::result::Result::ok) {
                    // Fails when nobody wants to know any more.
                    let _ = sender.send(String::from_utf8_lossy(&line).trim_end().to_owned());
                }
            });
        }
        Ok(Self { child, lines, last: Vec::new() })
    }

    /// Waits for a line of which `what` can be made.
    pub(crate) fn wait_for<T>(&mut self, what: impl Fn(&str) -> Option<T>) -> Result<T> {
        let until = Instant::now() + PATIENCE;
        loop {
            let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) else {
                let from = self.last.len().saturating_sub(20);
                let tail = self.last.get(from..).unwrap_or_default().join("\n");
                return Err(format!("a line of the VM did not come; the last ones:\n{tail}").into());
            };
            let found = what(&line);
            self.last.push(line);
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }

    /// Waits until the one forwarded port answers, and says where it is on this machine.
    pub(crate) fn wait_for_port(&mut self) -> Result<SocketAddr> {
        self.wait_for(|line| {
            line.strip_prefix("notice: http://")?.split_once("/ is open")?.0.parse::<SocketAddr>().ok()
        })
    }

    /// Has the device shut itself down, and waits for the end.
    pub(crate) fn power_off(mut self, programs: &Programs, image: &Path) -> Result<()> {
        run(command(&programs.nacre, &["device", "--dir"]).arg(image).arg("power-off"))?;
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the device did not switch itself off: {status}").into())
        }
    }

    /// The process id of its QEMU.
    pub(crate) fn qemu(&self) -> Result<u32> {
        qemu_of(&self.child)
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // QEMU does not outlive it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A figure out of `nacre device info` of the running image.
pub(crate) fn device_info(programs: &Programs, image: &Path, name: &str) -> Result<u64> {
    let mut device = command(&programs.nacre, &["device", "--json", "--dir"]);
    let info: Value = serde_json::from_slice(&run(device.arg(image).arg("info"))?)?;
    info[name].as_u64().ok_or_else(|| format!("`nacre device info` shows no `{name}`").into())
}

/// The QEMU that `nacre run` started.
pub(crate) fn qemu_of(nacre: &Child) -> Result<u32> {
    for task in fs::read_dir(format!("/proc/{}/task", nacre.id()))? {
        let children = fs::read_to_string(task?.path().join("children"))?;
        for pid in children.split_whitespace() {
            if fs::read_to_string(format!("/proc/{pid}/comm"))?.starts_with("qemu-system") {
                return Ok(pid.parse()?);
            }
        }
    }
    Err("`nacre run` has no QEMU".into())
}
