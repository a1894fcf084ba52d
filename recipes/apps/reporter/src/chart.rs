//! A bar chart in one line of text.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One bar per value, newest at the right, blanks where there are fewer values than columns. A value at
/// or above `full` is the highest bar.
pub(crate) fn bars(values: impl ExactSizeIterator<Item = u32>, full: u32, columns: u16) -> String {
    let columns = usize::from(columns);
    let skipped = values.len().saturating_sub(columns);
    let blanks = columns.saturating_sub(values.len());
    let bar = |value: u32| {
        let step = u64::from(value.min(full)) * (BARS.len() as u64 - 1) / u64::from(full.max(1));
        usize::try_from(step).ok().and_then(|step| BARS.get(step)).copied().unwrap_or(' ')
    };
    " ".repeat(blanks) + &values.skip(skipped).map(bar).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::bars;

    #[test]
    fn bars_rise_with_their_values_and_stay_in_their_columns() {
        assert_eq!(bars([0, 500, 1000, 9000].into_iter(), 1000, 6), "  ▁▄██");
        assert_eq!(bars([1, 2, 3].into_iter(), 3, 2), "▅█");
        assert_eq!(bars([].into_iter(), 0, 3), "   ");
    }
}
