//! When the client speaks: pauses, and the points in time of a lease.

use super::Lease;
use super::lease::Grant;
use crate::{Millis, Random};

/// Pause before the second message; doubles with every further one. RFC 2131, section 4.1, has 4 s; half of it saves
/// time at boot, when the first message is often lost.
pub(super) const FIRST_PAUSE: Millis = 2_000;

/// Longest pause between two messages without an address (RFC 2131, section 4.1).
pub(super) const LONGEST_PAUSE: Millis = 64_000;

/// How far a pause is moved at random, to either side: many devices whose power came back don't ask in step.
pub(super) const JITTER: Millis = 1_000;

/// Messages without an answer after which an offer is given up, or the absence of servers is logged.
pub(super) const PATIENCE: u32 = 4;

/// Shortest pause between two messages of a renewal (RFC 2131, section 4.4.5); a tenth of the lease if that is less.
pub(super) const RENEWAL_PAUSE: Millis = 60_000;

/// An exchange of messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Talk {
    pub(super) xid: u32,
    pub(super) since: Millis,
    pub(super) tries: u32,
    pub(super) sent: Millis,
    pub(super) next: Millis,
}

/// A lease with its points in time.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) lease: Lease,
    pub(super) renew_at: Millis,
    pub(super) rebind_at: Millis,
    pub(super) expires_at: Millis,
}

impl Held {
    pub(super) fn of(grant: Grant, asked: Millis, random: &mut Random<'_>) -> Self {
        // Up to 1/32 earlier than T1: devices that got their leases together don't renew them together.
        let renew_after = grant.renew_after - Millis::from(random()) % (grant.renew_after / 32 + 1);
        Self {
            lease: grant.lease,
            renew_at: asked.saturating_add(renew_after),
            rebind_at: asked.saturating_add(grant.rebind_after),
            expires_at: asked.saturating_add(grant.expires_after),
        }
    }

    /// When to ask again: after half of what is left (RFC 2131, section 4.4.5).
    pub(super) fn pause(&self, now: Millis, end: Millis) -> Millis {
        let shortest = RENEWAL_PAUSE.min((self.expires_at.saturating_sub(self.renew_at)) / 5).max(1_000);
        now.saturating_add((end.saturating_sub(now) / 2).max(shortest)).min(end)
    }
}

impl Talk {
    pub(super) fn new(now: Millis, random: &mut Random<'_>) -> Self {
        let xid = random();
        Self { xid, since: now, tries: 0, sent: now, next: now }.again(now, random)
    }

    /// After one more message.
    pub(super) fn again(self, now: Millis, random: &mut Random<'_>) -> Self {
        let tries = self.tries.saturating_add(1);
        Self { tries, sent: now, next: now.saturating_add(pause(tries, random)), ..self }
    }
}

/// The pause after so many messages.
pub(super) fn pause(tries: u32, random: &mut Random<'_>) -> Millis {
    let doubled = FIRST_PAUSE << tries.saturating_sub(1).min(16);
    doubled.min(LONGEST_PAUSE) - JITTER + Millis::from(random()) % (2 * JITTER + 1)
}
