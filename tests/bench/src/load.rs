//! A generator of requests: a few connections that stay open, each asking again as soon as it is answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::samples::Samples;

/// Half of the places that panel has.
const CONNECTIONS: usize = 4;

/// Not counted: the first answers are made, the later ones are kept for a second.
const WARM_UP: Duration = Duration::from_secs(2);

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of it.
#[derive(Debug)]
pub(crate) struct Load {
    /// Time of the whole, by the number of answers.
    pub(crate) per_answer: Duration,
    /// How long each answer took.
    pub(crate) times: Samples,
}

/// Asks for `path` for so long.
pub(crate) fn run(address: SocketAddr, path: &str, time: Duration) -> Result<Load> {
    let count_from = Instant::now() + WARM_UP;
    let until = count_from + time;
    let asked: Vec<std::result::Result<Vec<Duration>, String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|_| scope.spawn(move || ask(address, path, count_from, until).map_err(|e| e.to_string())))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|end| end.unwrap_or_else(|_| Err("a client panicked".to_owned()))).collect()
    });
    let mut times = Vec::new();
    for each in asked {
        times.extend(each?);
    }
    let count = u32::try_from(times.len()).unwrap_or(u32::MAX).max(1);
    Ok(Load { per_answer: time / count, times: Samples::new(times)? })
}

/// One connection at a time; how long each answer took that ended within the time that counts. panel closes each
/// after a hundred answers, and connecting anew is in the time of the whole.
fn ask(address: SocketAddr, path: &str, count_from: Instant, until: Instant) -> Result<Vec<Duration>> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut times = Vec::new();
    loop {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut answers = BufReader::new(&stream);
        let mut after = After::Open;
        while after == After::Open {
            let begin = Instant::now();
            (&stream).write_all(request.as_bytes())?;
            after = read_answer(&mut answers)?;
            let end = Instant::now();
            if end >= until {
                return Ok(times);
            }
            if end >= count_from {
                times.push(end - begin);
            }
        }
    }
}

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Open,
    Closed,
}

/// Reads one whole answer; its status has to be 200.
fn read_answer(answers: &mut impl BufRead) -> Result<After> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200 ") {
        return Err(format!("the answer is `{}`", line.trim_end()).into());
    }
    let (mut bytes, mut after) = (None, After::Open);
    loop {
        line.clear();
        answers.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            bytes = Some(value.trim().parse()?);
        }
        if name.eq_ignore_ascii_case("connection") && value.trim().eq_ignore_ascii_case("close") {
            after = After::Closed;
        }
    }
    let bytes: u64 = bytes.ok_or("an answer does not say how long it is")?;
    let copied = std::io::copy(&mut answers.take(bytes), &mut std::io::sink())?;
    if copied == bytes { Ok(after) } else { Err("an answer was cut".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_read_whole_or_refused() {
        let table = [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP", Ok(After::Open)),
            ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\nHTTP", Ok(After::Closed)),
            ("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", Err("the answer is `HTTP/1.1 503 No`")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", Err("an answer was cut")),
            ("HTTP/1.1 200 OK\r\n\r\nab", Err("an answer does not say how long it is")),
            ("", Err("the answer is ``")),
        ];
        for (text, expected) in table {
            let mut rest = text.as_bytes();
            let found = read_answer(&mut rest).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{text}");
            assert!(found.is_err() || rest == b"HTTP", "{text}");
        }
    }
}
