//! The statements of one digest: counted, timed, one of them kept.

use std::collections::BTreeMap;

/// Durations are told apart by a tenth: their percentiles are right within five per cent.
const STEP: f64 = 1.1;

/// The shortest duration that is told, in seconds.
const SECONDS_MIN: f64 = 1e-6;

/// Slots of a histogram.
pub(super) const SLOTS: usize = 24;

/// What one statement brings.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measured {
    /// Microseconds since 1970 UTC.
    pub(super) at_micros: i64,
    pub(super) seconds: Option<f64>,
    pub(super) rows_sent: Option<u64>,
    pub(super) rows_examined: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) count: u64,
    pub(super) times: Times,
    pub(super) rows_sent: Option<u64>,
    pub(super) rows_examined: Option<u64>,
    pub(super) first_micros: i64,
    pub(super) last_micros: i64,
    pub(super) spread: Spread,
}

impl Group {
    pub(super) fn new(first: &Measured) -> Group {
        Group {
            count: 0,
            times: Times::default(),
            rows_sent: None,
            rows_examined: None,
            first_micros: first.at_micros,
            last_micros: first.at_micros,
            spread: Spread::new(first.at_micros),
        }
    }

    pub(super) fn add(&mut self, measured: &Measured) {
        self.count += 1;
        if let Some(seconds) = measured.seconds {
            self.times.add(seconds);
        }
        let sum = |sum: Option<u64>, more: Option<u64>| match (sum, more) {
            (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
            (sum, more) => sum.or(more),
        };
        self.rows_sent = sum(self.rows_sent, measured.rows_sent);
        self.rows_examined = sum(self.rows_examined, measured.rows_examined);
        self.first_micros = self.first_micros.min(measured.at_micros);
        self.last_micros = self.last_micros.max(measured.at_micros);
        self.spread.add(measured.at_micros);
    }
}

/// Durations in seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) sum: f64,
    pub(super) max: f64,
    count: u64,
    /// By the logarithm.
    steps: BTreeMap<i16, u64>,
}

impl Times {
    fn add(&mut self, seconds: f64) {
        if !seconds.is_finite() || seconds < 0.0 {
            return;
        }
        self.count += 1;
        self.sum += seconds;
        self.max = self.max.max(seconds);
        *self.steps.entry(step(seconds)).or_default() += 1;
    }

    pub(super) fn is_known(&self) -> bool {
        self.count > 0
    }

    /// The duration that this share of the statements does not exceed, by the nearest rank.
    pub(super) fn percentile(&self, share: f64) -> f64 {
        let rank = (share * self.count as f64).ceil().max(1.0);
        let mut seen = 0;
        for (step, count) in &self.steps {
            seen += count;
            if seen as f64 >= rank {
                return (SECONDS_MIN * STEP.powf(f64::from(*step) + 0.5)).min(self.max);
            }
        }
        self.max
    }
}

fn step(seconds: f64) -> i16 {
    // A duration of a hundred years is step 366.
    #[expect(clippy::cast_possible_truncation, reason = "a logarithm of a finite number is small")]
    let step = (seconds.max(SECONDS_MIN) / SECONDS_MIN).log(STEP).floor() as i16;
    step
}

/// How statements are spread over time, in slots whose width doubles as the time goes on.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    from_micros: i64,
    width_micros: i64,
    pub(super) slots: [u64; SLOTS],
}

impl Spread {
    fn new(from_micros: i64) -> Spread {
        Spread { from_micros, width_micros: 1, slots: [0; SLOTS] }
    }

    fn add(&mut self, at_micros: i64) {
        // A log is in order but for moments; what lies before counts as the beginning.
        let after = at_micros.saturating_sub(self.from_micros).max(0);
        loop {
            let slot = usize::try_from(after / self.width_micros).unwrap_or(usize::MAX);
            if let Some(slot) = self.slots.get_mut(slot) {
                *slot += 1;
                return;
            }
            self.double();
        }
    }

    fn double(&mut self) {
        let mut slots = [0; SLOTS];
        for (idx, count) in self.slots.iter().enumerate() {
            if let Some(slot) = slots.get_mut(idx / 2) {
                *slot += count;
            }
        }
        self.slots = slots;
        self.width_micros = self.width_micros.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(all: &[Measured]) -> Group {
        let mut group = Group::new(&all[0]);
        all.iter().for_each(|measured| group.add(measured));
        group
    }

    #[test]
    fn percentiles_are_right_within_five_per_cent() {
        let all: Vec<Measured> = (1..=1000_u32)
            .map(|number| Measured { seconds: Some(f64::from(number) / 1000.0), ..Measured::default() })
            .collect();
        let times = group(&all).times;
        for (share, expected) in [(0.5, 0.5), (0.95, 0.95), (0.01, 0.01), (1.0, 1.0)] {
            let found = times.percentile(share);
            assert!((found / expected - 1.0).abs() < 0.05, "{share}: {found}");
        }
        assert_eq!(times.max, 1.0);
        assert!((times.sum - 500.5).abs() < 1e-6);
    }

    #[test]
    fn odd_durations_do_no_harm() {
        let seconds = [0.0, f64::NAN, f64::INFINITY, -1.0, 1e300, 1e-12];
        let all = seconds.map(|seconds| Measured { seconds: Some(seconds), ..Measured::default() });
        let group = group(&all);
        assert_eq!((group.count, group.times.max), (6, 1e300));
        assert!(group.times.percentile(0.5) <= SECONDS_MIN * STEP);
    }

    #[test]
    fn rows_and_times_are_summed() {
        let measured = |at_micros, rows_sent| Measured { at_micros, rows_sent, ..Measured::default() };
        let group = group(&[measured(2_000, Some(1)), measured(1_000, None), measured(50_000, Some(4))]);
        assert_eq!(
            (group.first_micros, group.last_micros, group.rows_sent, group.rows_examined),
            (1_000, 50_000, Some(5), None)
        );
        assert!(!group.times.is_known());
        assert_eq!(group.spread.slots.iter().sum::<u64>(), 3);
        // 48 ms in slots of 2,048 µs.
        assert_eq!((group.spread.slots[0], group.spread.slots[23]), (2, 1));
    }
}
