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

    /// The time that so many of a hundred stayed within.
    pub(crate) fn within(&self, percent: usize) -> Duration {
        let at = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        self.0.get(at).copied().unwrap_or_default()
    }

    /// The shortest and the longest.
    pub(crate) fn ends(&self) -> [Duration; 2] {
        [self.0.first(), self.0.last()].map(|time| time.copied().unwrap_or_default())
    }

    /// `1.10..2.00`, in ms.
    pub(crate) fn spread(&self) -> String {
        let [first, last] = self.ends().map(number);
        format!("{first}..{last}")
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
    fn samples_of_a_hundred_are_counted_up() {
        let found = samples(&(1..=200).collect::<Vec<_>>());
        assert_eq!(found.within(50), Duration::from_millis(100));
        assert_eq!(found.within(99), Duration::from_millis(198));
        assert_eq!(samples(&[7]).within(99), Duration::from_millis(7));
    }

    #[test]
    fn samples_none_is_refused() {
        assert!(Samples::new(Vec::new()).is_err());
    }
}
