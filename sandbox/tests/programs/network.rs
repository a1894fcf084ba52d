//! Says what it may do with TCP; compiled and run by `launcher.rs`.

use std::io;
use std::net::{TcpListener, TcpStream};

fn said(result: io::Result<()>) -> String {
    match result {
        Ok(()) => "done".to_owned(),
        Err(error) => error.kind().to_string(),
    }
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:80");
    println!("bind 80: {}", said(listener.as_ref().map(drop).map_err(|error| error.kind().into())));
    println!("bind 8081: {}", said(TcpListener::bind("127.0.0.1:8081").map(drop)));
    for port in [80, 443, 8081] {
        println!("connect {port}: {}", said(TcpStream::connect(("127.0.0.1", port)).map(drop)));
    }
    // No other interface is up.
    println!("outside: {}", said(TcpStream::connect("192.0.2.1:443").map(drop)));
}
