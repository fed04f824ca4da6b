//! Counts over time as an SVG of bars, each a link to its own span.

use maud::{Markup, html};

use super::html::utc;
use super::search::Parameters;
use crate::index::{AggregationResult, BucketKey};

/// Bars at most.
const BARS_MAX: i64 = 60;

const HEIGHT: u64 = 100;

/// Lengths of a bar that people can read, in milliseconds.
const INTERVALS_MS: [i64; 22] = [
    1,
    10,
    100,
    1_000,
    5_000,
    10_000,
    30_000,
    60_000,
    300_000,
    600_000,
    1_800_000,
    3_600_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    604_800_000,
    1_209_600_000,
    2_419_200_000,
    7_776_000_000,
    31_536_000_000,
];

pub(super) struct Histogram {
    interval_ms: i64,
    /// Start of each bar and its count; without gaps.
    bars: Vec<(i64, u64)>,
}

/// The shortest interval that needs no more than [`BARS_MAX`] bars.
pub(super) fn interval_ms(start_ms: i64, end_ms: i64) -> i64 {
    let bars = |interval: i64| end_ms.div_euclid(interval) - start_ms.div_euclid(interval) + 1;
    let longest = 31_536_000_000;
    INTERVALS_MS.into_iter().find(|interval| bars(*interval) <= BARS_MAX).unwrap_or(longest)
}

impl Histogram {
    pub(super) fn new(
        start_ms: i64,
        end_ms: i64,
        interval_ms: i64,
        counted: &[(String, AggregationResult)],
    ) -> Histogram {
        let first = start_ms.div_euclid(interval_ms);
        let last = end_ms.div_euclid(interval_ms);
        let mut bars: Vec<(i64, u64)> =
            (first..=last).take(1_000).map(|bar| (bar.saturating_mul(interval_ms), 0)).collect();
        for (_, result) in counted {
            let AggregationResult::Buckets { buckets, .. } = result else { continue };
            for bucket in buckets {
                let BucketKey::Date(key) = bucket.key else { continue };
                if let Ok(found) = bars.binary_search_by_key(&key, |(start, _)| *start)
                    && let Some(bar) = bars.get_mut(found)
                {
                    bar.1 = bucket.doc_count;
                }
            }
        }
        Histogram { interval_ms, bars }
    }

    pub(super) fn svg(&self, parameters: &Parameters) -> Markup {
        let highest = self.bars.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
        let width = self.bars.len() * 10;
        html! {
            figure.histogram {
                svg viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="group"
                    aria-label="Entries over time; each bar opens its own span" {
                    @for (idx, (start, count)) in self.bars.iter().enumerate() {
                        @let height = if *count == 0 { 0 } else { (count * HEIGHT / highest).max(2) };
                        @let name = format!("{} from {} UTC", count, utc(*start));
                        @if *count > 0 {
                            a href=(self.link(parameters, *start)) aria-label=(name) {
                                title { (name) }
                                rect.ground x=(idx * 10) y="0" width="10" height=(HEIGHT) {}
                                rect.bar x=(idx * 10 + 1) y=(HEIGHT - height) width="8" height=(height) {}
                            }
                        }
                    }
                }
                figcaption {
                    @if let (Some((first, _)), Some((last, _))) = (self.bars.first(), self.bars.last()) {
                        (super::html::time(*first)) span.interval { "a bar is " (length(self.interval_ms)) }
                        (super::html::time(last.saturating_add(self.interval_ms)))
                    }
                }
            }
        }
    }

    fn link(&self, parameters: &Parameters, start_ms: i64) -> String {
        let mut narrowed = parameters.clone();
        narrowed.span.clear();
        narrowed.from = 0;
        narrowed.after = Some(start_ms);
        narrowed.before = Some(start_ms.saturating_add(self.interval_ms));
        narrowed.link()
    }
}

/// `5 minutes`, `1 day`.
fn length(ms: i64) -> String {
    let units = [("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("millisecond", 1)];
    let (unit, size) = units.into_iter().find(|(_, size)| ms % size == 0).unwrap_or(("millisecond", 1));
    let number = ms / size;
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{interval_ms, length};

    #[test]
    fn a_bar_is_as_short_as_sixty_of_them_allow() {
        assert_eq!(interval_ms(0, 0), 1);
        assert_eq!(interval_ms(0, 59), 1);
        assert_eq!(interval_ms(0, 60), 10);
        assert_eq!(interval_ms(0, 3_599_999), 60_000);
        assert_eq!(interval_ms(0, 3_600_000), 300_000);
        assert_eq!(interval_ms(1_000, 1_000 + 30 * 86_400_000), 86_400_000);
    }

    #[test]
    fn lengths_are_told_in_the_largest_whole_unit() {
        assert_eq!(length(300_000), "5 minutes");
        assert_eq!(length(86_400_000), "1 day");
        assert_eq!(length(1), "1 millisecond");
        assert_eq!(length(604_800_000), "7 days");
    }
}
