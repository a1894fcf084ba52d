//! The panel as its clients see it, on a real socket, with an OS that is a thread of this test.
#![forbid(unsafe_code)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nacre_app::{AppState, AppStatus, Stats, System};
use nacre_wire::app::{Ask, MAX_PACKET, Message, Outcome, Request};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use panel::{Names, Panel, Server, Source};

/// An OS with one app and no recorder, which counts how often it is asked for its figures.
fn system(asked: Arc<AtomicU32>) -> System {
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    thread::spawn(move || {
        let mut packet = [0; MAX_PACKET];
        while let Ok(length @ 1..) = recv(theirs.as_raw_fd(), &mut packet, MsgFlags::empty()) {
            let Request { id, ask } = minicbor::decode(&packet[..length]).unwrap();
            let outcome = match ask {
                Ask::Stats => {
                    asked.fetch_add(1, Ordering::Relaxed);
                    Outcome::Stats(Stats {
                        uptime_ms: 61_000,
                        cpu_busy_ms: 6_100,
                        cpu_total_ms: 61_000,
                        memory_total_kib: 21_800,
                        memory_available_kib: 7_310,
                    })
                }
                Ask::AppsStatus => Outcome::Apps(vec![AppStatus {
                    app: "org.nacre.panel".to_owned(),
                    version: "0.1.0".to_owned(),
                    state: AppState::Running,
                    restarts: 0,
                    memory_kib: 700,
                    since_ms: 60_000,
                    last_end: None,
                }]),
                _ => Outcome::Unavailable("org.nacre.recorder is not running".to_owned()),
            };
            let reply = minicbor::to_vec(Message::Reply { id, outcome }).unwrap();
            send(theirs.as_raw_fd(), &reply, MsgFlags::MSG_NOSIGNAL).unwrap();
        }
    });
    System::over(ours)
}

/// A panel on a port of its own, for as long as the test runs.
fn panel() -> (SocketAddr, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let source = Source::new(move || Ok(system(Arc::clone(&counter))));
        let mut server = Server::new(listener, Panel::new(source), Names::default()).unwrap();
        loop {
            server.turn(None).unwrap();
        }
    });
    (address, asked)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// What comes until the panel closes; a reset ends it as well.
fn rest(mut stream: TcpStream) -> String {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {} bytes", bytes.len()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn say(address: SocketAddr, text: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(text.as_bytes()).unwrap();
    rest(stream)
}

fn get(address: SocketAddr, target: &str) -> String {
    say(address, &format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
}

#[test]
fn get_documents_have_their_kind_their_length_and_the_security_headers() {
    let (address, _) = panel();
    for (target, kind, part) in [
        ("/", "text/html; charset=utf-8", "No history: org.nacre.recorder is not running."),
        ("/state.json", "application/json", "\"cpu_permille\":100"),
        ("/icon.svg", "image/svg+xml", "<svg"),
    ] {
        let answer = get(address, target);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(body.contains(part), "{body}");
        for line in [
            format!("Content-Type: {kind}"),
            format!("Content-Length: {}", body.len()),
            "Connection: close".to_owned(),
            "Cache-Control: no-store".to_owned(),
            "X-Content-Type-Options: nosniff".to_owned(),
            "Referrer-Policy: no-referrer".to_owned(),
        ] {
            assert!(head.lines().any(|other| other == line), "{line} is not in {head}");
        }
        assert!(
            head.contains("\r\nContent-Security-Policy: default-src 'none'; style-src 'sha256-"),
            "{head}"
        );
    }
}

#[test]
fn head_has_the_length_and_no_body() {
    let (address, _) = panel();
    let answer = say(address, "HEAD /state.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\n") && !answer.contains("Content-Length: 0"), "{answer}");
}

#[test]
fn refusals_are_heard_even_by_who_goes_on_talking() {
    let (address, _) = panel();
    for (text, status) in [
        ("GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(), "404 Not Found"),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n".to_owned()
                + &"x".repeat(9999),
            "405",
        ),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_owned(), "421 Misdirected"),
        ("GET / HTTP/1.1\r\nA: ".to_owned() + &"a".repeat(60_000), "431 Request Header Fields"),
        ("hello\r\n\r\n".to_owned(), "400 Bad Request"),
    ] {
        let answer = say(address, &text);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert_eq!(answer.contains("\r\nAllow: GET, HEAD\r\n"), status == "405");
    }
}

#[test]
fn requests_on_one_connection_are_answered_in_order_up_to_a_hundred() {
    let (address, _) = panel();
    let request = "GET /icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = say(address, &request.repeat(120));
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 100);
    assert_eq!(answer.matches("Connection: keep-alive").count(), 99);
}

#[test]
fn many_lookers_ask_the_os_once_a_second() {
    let (address, asked) = panel();
    let start = Instant::now();
    for _ in 0..60 {
        assert!(get(address, "/").starts_with("HTTP/1.1 200"));
    }
    let seconds = u32::try_from(start.elapsed().as_secs()).unwrap();
    assert!(asked.load(Ordering::Relaxed) <= seconds + 1, "{asked:?} times in {seconds} s");
}

#[test]
fn slow_clients_on_every_place_keep_nobody_out() {
    let (address, _) = panel();
    let mut slow: Vec<TcpStream> = (0..40).map(|_| connect(address)).collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
    }
    let start = Instant::now();
    assert!(get(address, "/state.json").starts_with("HTTP/1.1 200"));
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[test]
fn request_that_does_not_come_in_five_seconds_is_given_up() {
    let (address, _) = panel();
    let mut slow = connect(address);
    let start = Instant::now();
    let mut drip = slow.try_clone().unwrap();
    thread::spawn(move || {
        for letter in b"GET / HTTP/1.1\r\nHost: localhost" {
            if drip.write_all(&[*letter]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(400));
        }
    });
    let mut answer = [0; 20];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408 Request");
    assert!((4..7).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    // One that says nothing at all is closed without a word.
    assert_eq!(rest(connect(address)), "");
}

#[test]
fn client_that_does_not_read_is_given_up() {
    let (address, _) = panel();
    let mut deaf = connect(address);
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let start = Instant::now();
    // Its answers fill the socket's buffers, then nothing is taken any more, then the connection ends.
    while start.elapsed() < Duration::from_secs(20) {
        if deaf.write_all(request.as_bytes()).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(start.elapsed() < Duration::from_secs(20));
    let _ = deaf.shutdown(Shutdown::Both);
    assert!(get(address, "/").starts_with("HTTP/1.1 200"));
}

#[test]
fn client_that_never_stops_talking_after_its_refusal_is_cut_off() {
    let (address, _) = panel();
    let mut talker = connect(address);
    let start = Instant::now();
    talker.write_all(b"hello\r\n\r\n").unwrap();
    // More often than the panel looks at the time.
    while start.elapsed() < Duration::from_secs(10) && talker.write_all(b"x").is_ok() {
        thread::sleep(Duration::from_micros(100));
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
