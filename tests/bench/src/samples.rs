//! What was measured, several times.

use std::time::Duration;

use crate::Result;

/// Times of one thing, in order of length.
#[derive(Debug, Clone)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// At least one is needed.
    pub(crate) fn new(mut times: Vec<Duration>) -> Result<Self> {
        times.sort_unstable();
        if times.is_empty() { Err("nothing was measured".into()) } else { Ok(Self(times)) }
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The one in the middle; of an even number the upper one.
    pub(crate) fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    /// `1.20 ms (1.10..2.00)`.
    pub(crate) fn spread(&self) -> String {
        let end = |time: Option<&Duration>| number(time.copied().unwrap_or_default());
        format!("{}..{}", end(self.0.first()), end(self.0.last()))
    }
}

/// In ms, with three significant digits or more.
pub(crate) fn number(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.2}")
    } else if ms < 100.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(ms: &[u64]) -> Samples {
        Samples::new(ms.iter().copied().map(Duration::from_millis).collect()).unwrap()
    }

    #[test]
    fn samples_in_any_order_give_median_and_ends() {
        let found = samples(&[30, 4, 1200]);
        assert_eq!((found.count(), found.median()), (3, Duration::from_millis(30)));
        assert_eq!(found.spread(), "4.00..1200");
        assert_eq!(samples(&[1, 2]).median(), Duration::from_millis(2));
    }

    #[test]
    fn samples_none_is_refused() {
        assert!(Samples::new(Vec::new()).is_err());
    }
}
