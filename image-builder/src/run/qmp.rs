//! QEMU's machine protocol: start the paused guest, hear why it ended, ask QEMU to end.
//!
//! One JSON object per line, over a unix socket (QEMU's `docs/interop/qmp-intro`).

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

/// How long QEMU may take to answer a command.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest line that is read, in bytes.
const MAX_LINE: u64 = 1 << 20;

/// Why the guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GuestEnd {
    /// The guest asked for a reset, or its watchdog did.
    Reset,
    /// The guest switched itself off.
    PowerOff,
    /// Something else ended it, in QEMU's word.
    Other(String),
}

/// Why QEMU could not be talked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TalkToQemuError {
    /// The connection failed.
    #[error("talking to QEMU")]
    Io(#[from] std::io::Error),
    /// A line was not what the protocol says.
    #[error("QEMU said something that is not its protocol")]
    Json(#[from] serde_json::Error),
    /// QEMU closed the connection.
    #[error("QEMU ended before the guest was started")]
    Closed,
    /// QEMU refused a command.
    #[error("QEMU refused `{command}`: {reason}")]
    Refused {
        /// The command.
        command: &'static str,
        /// QEMU's words.
        reason: String,
    },
}

/// A connection to QEMU.
#[derive(Debug)]
pub(crate) struct Qmp {
    lines: BufReader<UnixStream>,
    sender: QmpSender,
}

/// A connection to QEMU on which the guest's end will be told.
#[derive(Debug)]
pub(crate) struct QmpWaiter(Qmp);

/// The half that sends.
#[derive(Debug)]
pub(crate) struct QmpSender(UnixStream);

impl Qmp {
    /// Greets QEMU. It was started with `-S`, so the guest does not run yet.
    pub(crate) fn greet(stream: UnixStream) -> Result<Self, TalkToQemuError> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let sender = QmpSender(stream.try_clone()?);
        let mut qmp = Self { lines: BufReader::new(stream), sender };
        qmp.message()?.ok_or(TalkToQemuError::Closed)?;
        qmp.command("qmp_capabilities", None)?;
        Ok(qmp)
    }

    /// Lets the guest run; no event of it can be missed.
    pub(crate) fn resume(mut self) -> Result<(QmpWaiter, QmpSender), TalkToQemuError> {
        self.command("cont", None)?;
        // From here on it only waits for the guest, which may take for ever.
        self.lines.get_ref().set_read_timeout(None)?;
        let sender = QmpSender(self.sender.0.try_clone()?);
        Ok((QmpWaiter(self), sender))
    }

    /// What the monitor for people answers to a command line.
    pub(crate) fn monitor(&mut self, line: &str) -> Result<String, TalkToQemuError> {
        let answer = self.command("human-monitor-command", Some(json!({ "command-line": line })))?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    }

    fn command(&mut self, command: &'static str, arguments: Option<Value>) -> Result<Value, TalkToQemuError> {
        self.sender.send(command, arguments)?;
        loop {
            let message = self.message()?.ok_or(TalkToQemuError::Closed)?;
            if let Some(reason) = message.pointer("/error/desc") {
                let reason = reason.as_str().unwrap_or("no reason given").to_owned();
                return Err(TalkToQemuError::Refused { command, reason });
            }
            if let Some(answer) = message.get("return") {
                return Ok(answer.clone());
            }
        }
    }

    fn message(&mut self) -> Result<Option<Value>, TalkToQemuError> {
        let mut line = String::new();
        if self.lines.by_ref().take(MAX_LINE).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }
}

impl QmpWaiter {
    /// Waits until the guest ends. [`None`] if QEMU went without saying why.
    pub(crate) fn wait(mut self) -> Option<GuestEnd> {
        while let Ok(Some(message)) = self.0.message() {
            if message.get("event").and_then(Value::as_str) == Some("SHUTDOWN") {
                let reason = message.pointer("/data/reason").and_then(Value::as_str).unwrap_or("unknown");
                return Some(match reason {
                    "guest-reset" | "subsystem-reset" => GuestEnd::Reset,
                    "guest-shutdown" => GuestEnd::PowerOff,
                    other => GuestEnd::Other(other.to_owned()),
                });
            }
        }
        None
    }
}

impl QmpSender {
    /// Asks QEMU to end, as if the power was cut.
    pub(crate) fn quit(&mut self) -> Result<(), TalkToQemuError> {
        self.send("quit", None)
    }

    fn send(&mut self, command: &str, arguments: Option<Value>) -> Result<(), TalkToQemuError> {
        let mut line = json!({ "execute": command });
        if let Some(arguments) = arguments {
            line["arguments"] = arguments;
        }
        Ok(self.0.write_all(format!("{line}\n").as_bytes())?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A QEMU that says `script` line by line: the greeting at once, the next two each after it has read one
    /// command. Then it is gone.
    pub(crate) fn talk<T: AsRef<str> + Send + 'static>(script: Vec<T>) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(theirs.try_clone().unwrap());
            let mut writer = theirs;
            for (n, line) in script.iter().enumerate() {
                if n == 1 || n == 2 {
                    reader.read_line(&mut String::new()).unwrap();
                }
                writer.write_all(line.as_ref().as_bytes()).unwrap();
                writer.write_all(b"\n").unwrap();
            }
        });
        ours
    }

    #[test]
    fn qmp_shutdown_event_tells_reset_from_power_off() {
        for (reason, end) in [
            ("guest-reset", GuestEnd::Reset),
            ("guest-shutdown", GuestEnd::PowerOff),
            ("host-qmp-quit", GuestEnd::Other("host-qmp-quit".into())),
        ] {
            let event = format!(r#"{{"event":"SHUTDOWN","data":{{"guest":true,"reason":"{reason}"}}}}"#);
            let script = vec![
                r#"{"QMP":{}}"#,
                r#"{"return":{}}"#,
                r#"{"event":"RESUME"}"#,
                r#"{"return":{}}"#,
                &event,
            ];
            let script: Vec<String> = script.into_iter().map(str::to_owned).collect();
            let (qmp, _sender) = Qmp::greet(talk(script)).unwrap().resume().unwrap();
            assert_eq!(qmp.wait(), Some(end));
        }
    }

    #[test]
    fn qmp_refusal_names_the_command_and_the_reason() {
        let stream =
            talk(vec![r#"{"QMP":{}}"#, r#"{"return":{}}"#, r#"{"error":{"class":"x","desc":"no machine"}}"#]);
        let error = Qmp::greet(stream).unwrap().resume().unwrap_err().to_string();
        assert_eq!(error, "QEMU refused `cont`: no machine");
    }

    #[test]
    fn qmp_monitor_gives_the_answer_as_text() {
        let stream = talk(vec![r#"{"QMP":{}}"#, r#"{"return":{}}"#, r#"{"return":"one\r\ntwo\r\n"}"#]);
        let mut qmp = Qmp::greet(stream).unwrap();
        assert_eq!(qmp.monitor("info usernet").unwrap(), "one\r\ntwo\r\n");
        assert!(matches!(qmp.monitor("info usernet"), Err(TalkToQemuError::Closed | TalkToQemuError::Io(_))));
    }

    #[test]
    fn qmp_closed_early_is_an_error_and_later_an_end_without_reason() {
        assert!(matches!(Qmp::greet(talk(Vec::<String>::new())), Err(TalkToQemuError::Closed)));
        let (qmp, _sender) = Qmp::greet(talk(vec![r#"{"QMP":{}}"#, r#"{"return":{}}"#, r#"{"return":{}}"#]))
            .unwrap()
            .resume()
            .unwrap();
        assert_eq!(qmp.wait(), None);
    }
}
