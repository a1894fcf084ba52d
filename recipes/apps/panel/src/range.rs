//! How far back the charts reach.

/// A span of time that the charts show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// 240 samples of a second.
    Minutes,
    /// 240 means of 15 s.
    Hour,
    /// 240 means of 6 min.
    Day,
}

impl Range {
    /// All of them, the shortest first.
    pub(crate) const ALL: [Self; 3] = [Self::Minutes, Self::Hour, Self::Day];

    /// Points on the time axis.
    pub(crate) const POINTS: u16 = 240;

    /// The value of `range=` in an address.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Minutes => "4m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    /// The range of a `range=` value.
    pub(crate) fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.key() == key)
    }

    /// The span in words.
    pub(crate) fn span(self) -> &'static str {
        match self {
            Self::Minutes => "4 minutes",
            Self::Hour => "hour",
            Self::Day => "24 hours",
        }
    }

    /// The span where there is little room.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Self::Minutes => "4 min",
            Self::Hour => "1 h",
            Self::Day => "24 h",
        }
    }

    /// Labels of the time axis at equal distances, the oldest first.
    pub(crate) fn ticks(self) -> [&'static str; 5] {
        match self {
            Self::Minutes => ["4 min", "3 min", "2 min", "1 min", "now"],
            Self::Hour => ["60 min", "45 min", "30 min", "15 min", "now"],
            Self::Day => ["24 h", "18 h", "12 h", "6 h", "now"],
        }
    }

    /// Seconds of one point.
    pub(crate) fn every_s(self) -> u32 {
        match self {
            Self::Minutes => 1,
            Self::Hour => 15,
            Self::Day => 360,
        }
    }

    /// Seconds until there is something new to see.
    pub(crate) fn fresh_s(self) -> u64 {
        match self {
            Self::Minutes => 1,
            Self::Hour => 15,
            // A newest point that stands still for six minutes would look like a fault.
            Self::Day => 60,
        }
    }
}
