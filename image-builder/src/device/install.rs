//! A package to a device, in pieces.

use std::collections::VecDeque;

use nacre_wire::channel::{Answer, Command, MAX_PIECE};

use super::client::{AskDeviceError, Client};

/// Pieces on their way at once: the device takes one while the next ones come.
const ON_THEIR_WAY: usize = 4;

/// Sends the two members of a package and has the device install them. `told` hears how many bytes have arrived.
///
/// # Errors
/// When the device refuses the package or does not answer. What it had before is there still, then.
pub fn install(
    client: &mut Client,
    manifest: &[u8],
    image: &[u8],
    mut told: impl FnMut(usize),
) -> Result<(), AskDeviceError> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let begin = Command::Install { manifest_bytes: length(manifest), image_bytes: length(image) };
    done(client.ask(begin)?)?;
    let mut offset = 0usize;
    let mut sent: VecDeque<(u32, usize)> = VecDeque::new();
    // A piece has bytes of one member.
    for piece in manifest.chunks(MAX_PIECE).chain(image.chunks(MAX_PIECE)) {
        if sent.len() >= ON_THEIR_WAY {
            arrived(client, &mut sent, &mut told)?;
        }
        let at = u32::try_from(offset).unwrap_or(u32::MAX);
        let number = client.send(Command::Piece { offset: at, bytes: piece.to_vec() })?;
        offset = offset.saturating_add(piece.len());
        sent.push_back((number, offset));
    }
    while !sent.is_empty() {
        arrived(client, &mut sent, &mut told)?;
    }
    done(client.ask(Command::Commit)?)
}

/// Waits until the first of the pieces on their way has arrived.
fn arrived(
    client: &mut Client,
    sent: &mut VecDeque<(u32, usize)>,
    told: &mut impl FnMut(usize),
) -> Result<(), AskDeviceError> {
    let Some((number, end)) = sent.pop_front() else { return Ok(()) };
    done(client.answer_to(number)?)?;
    told(end);
    Ok(())
}

fn done(answer: Answer) -> Result<(), AskDeviceError> {
    match answer {
        Answer::Done => Ok(()),
        _ => Err(AskDeviceError::Unexpected),
    }
}
