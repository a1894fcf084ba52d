//! A time server (RFC 4330) that lies before it says the truth.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::lab::{Place, ROUTER};

/// What the server says: 2027-01-15 08:00:00 UTC, in seconds since 1970.
pub(crate) const UNIX_S: u64 = 1_800_000_000;

/// Whether the server says the truth.
pub(crate) type Honest = Arc<AtomicBool>;

/// Serves in the street until the test ends.
pub(crate) fn serve(street: &Place) -> Honest {
    let honest = Honest::default();
    let socket = street.inside(|| UdpSocket::bind((ROUTER, 123)).expect("port 123"));
    let is_honest = honest.clone();
    street.serve(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if length < 48 {
                continue;
            }
            let truth = answer(&buffer);
            if is_honest.load(Ordering::Relaxed) {
                let _ = socket.send_to(&truth, from);
            } else {
                lies(&truth).iter().for_each(|lie| drop(socket.send_to(lie, from)));
            }
        }
    });
    honest
}

fn answer(question: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    bytes[..2].copy_from_slice(&[0x24, 2]);
    bytes[24..32].copy_from_slice(&question[40..48]);
    let time = ((UNIX_S + 2_208_988_800) << 32).to_be_bytes();
    bytes[32..40].copy_from_slice(&time);
    bytes[40..48].copy_from_slice(&time);
    bytes
}

fn lies(truth: &[u8]) -> Vec<Vec<u8>> {
    let changed = |at: usize, value: u8| {
        let mut lie = truth.to_vec();
        lie[at] = value;
        lie
    };
    // Cut; a question; an unset clock; too far from a real clock; another question's answer; 1970.
    let mut lies = vec![truth[..47].to_vec(), changed(0, 0x23), changed(0, 0xe4), changed(1, 16)];
    lies.push(changed(31, truth[31] ^ 1));
    lies.push(changed(40, 0));
    lies
}
