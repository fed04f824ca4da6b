//! Names of the indices that documents go to: what they begin with, how they end, and the pattern of all of them.

use hydrant_transform::document::Rotation;
use hydrant_transform::entry::of_log_group;

/// What Hydrant calls an index when nobody says otherwise.
pub(in crate::cli::doctor) const HYDRANT: &str = "hydrant-{format}";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Index {
    /// Before the rotation's suffix; `*` stands for what differs from entry to entry, or is not known.
    base: String,
    /// How the name of a certain time ends.
    suffix: &'static str,
}

impl Index {
    pub(in crate::cli::doctor) fn new(base: impl Into<String>, rotation: Rotation) -> Index {
        Index { base: base.into(), suffix: example(rotation) }
    }

    /// From Hydrant's pattern: `{format}` is the one that is set, else the log group's.
    pub(in crate::cli::doctor) fn of(
        pattern: &str,
        rotation: Rotation,
        format: Option<&str>,
        log_group: Option<&str>,
    ) -> Index {
        let of_group = || log_group.and_then(of_log_group).map(|format| format.name());
        let format = format.or_else(of_group).unwrap_or("*");
        let mut base = pattern.replace("{format}", format);
        for mark in ["{owner}", "{log_group}", "{log_stream}"] {
            base = base.replace(mark, "*");
        }
        Index::new(base, rotation)
    }

    /// The same rotation of another name.
    pub(in crate::cli::doctor) fn named(&self, base: &str) -> Index {
        Index { base: base.to_owned(), ..self.clone() }
    }

    /// The name of a certain time.
    pub(in crate::cli::doctor) fn example(&self) -> String {
        format!("{}{}", self.base, self.suffix)
    }

    /// Of all times.
    pub(in crate::cli::doctor) fn pattern(&self) -> String {
        let behind = if self.suffix.is_empty() { "*" } else { "-*" };
        format!("{}{behind}", self.base).replace("**", "*")
    }

    /// Whether the name is not the same for every entry.
    pub(in crate::cli::doctor) fn is_open(&self) -> bool {
        self.base.contains('*')
    }
}

fn example(rotation: Rotation) -> &'static str {
    match rotation {
        Rotation::NoRotation => "",
        Rotation::OneHour => "-2026-11-28-14",
        Rotation::OneDay => "-2026-11-28",
        Rotation::OneWeek => "-2026-w48",
        Rotation::OneMonth => "-2026-11",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_log_groups_format() {
        let of = |pattern: &str, format: Option<&str>, group: Option<&str>| {
            Index::of(pattern, Rotation::OneDay, format, group).example()
        };
        let group = |log| format!("/aws/rds/instance/orders/{log}");
        for (log, expected) in [("general", "general"), ("slowquery", "slow"), ("error", "error"), ("audit", "audit")] {
            assert_eq!(of(HYDRANT, None, Some(&group(log))), format!("hydrant-{expected}-2026-11-28"));
        }
        assert_eq!(of(HYDRANT, Some("text"), Some(&group("slowquery"))), "hydrant-text-2026-11-28");
        assert_eq!(of(HYDRANT, None, Some("/my/own")), "hydrant-*-2026-11-28");
        assert_eq!(of("{log_group}-{owner}_{log_stream}.{format}", Some("slow"), None), "*-*_*.slow-2026-11-28");
    }

    #[test]
    fn the_pattern_is_that_of_all_times_whatever_the_name_holds() {
        let pattern = |base, rotation| Index::new(base, rotation).pattern();
        assert_eq!(pattern("app-2021-general", Rotation::OneHour), "app-2021-general-*");
        assert_eq!(pattern("logs", Rotation::NoRotation), "logs*");
        assert_eq!(pattern("*", Rotation::NoRotation), "*");
        let other = Index::new("a", Rotation::OneMonth).named("b-2020");
        assert_eq!((other.example(), other.pattern()), ("b-2020-2026-11".to_owned(), "b-2020-*".to_owned()));
    }
}
