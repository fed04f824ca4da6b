//! The `[index]` table's names of indices, and what becomes of documents that their index does not take.

use std::time::Duration;

use hydrant_opensearch::Target;
use hydrant_transform::document::{RotateBy, Rotation};
use toml::de::DeTable;

use super::file::{Reader, string};
use super::{Config, DEFAULT_INDEX_NAME, IndexEngine, naming, units};

/// What becomes of a JSON line with a value that does not fit its field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflicts {
    /// The document fails.
    #[default]
    Fail,
    /// The value moves to a field of text.
    Text,
}

impl Conflicts {
    pub(super) fn name(self) -> &'static str {
        match self {
            Conflicts::Fail => "fail",
            Conflicts::Text => "text",
        }
    }
}

impl IndexEngine {
    /// What the names of the indices are names of.
    pub fn target(&self) -> Target {
        match self {
            IndexEngine::Embedded => Target::Index,
            IndexEngine::OpenSearch(cluster) => cluster.limits.target,
        }
    }
}

impl Reader<'_> {
    /// Behind the engine, which says the target.
    pub(super) fn index_naming(&mut self, index: &DeTable<'_>, config: &mut Config) {
        let target = config.index.target();
        let mut pattern = DEFAULT_INDEX_NAME.to_owned();
        let mut rotation = if target == Target::Index { Rotation::OneDay } else { Rotation::NoRotation };
        let mut rotate_by = RotateBy::Event;
        self.set(index, "name", &mut pattern, |value| string(value).map(str::to_owned));
        self.set(index, "rotation", &mut rotation, |value| {
            let name = string(value)?;
            Rotation::from_name(name)
                .ok_or_else(|| format!("`{name}` is none of NoRotation, OneHour, OneDay, OneWeek, OneMonth"))
        });
        self.set(index, "rotate_by", &mut rotate_by, |value| {
            let name = string(value)?;
            RotateBy::from_name(name).ok_or_else(|| format!("`{name}` is neither `event` nor `arrival`"))
        });
        self.set(index, "conflicts", &mut config.conflicts, |value| match string(value)? {
            "fail" => Ok(Conflicts::Fail),
            "text" => Ok(Conflicts::Text),
            other => Err(format!("`{other}` is neither `fail` nor `text`")),
        });
        self.set(index, "retention", &mut config.index_retention, |value| {
            let retention = Some(units::duration(string(value)?)?);
            retention.filter(|retention| *retention > Duration::ZERO).map(Some).ok_or_else(|| "is zero".to_owned())
        });
        let at = |key: &str| index.get(key).map_or(0, |value| value.span().start);
        if target != Target::Index && rotation != Rotation::NoRotation {
            let problem =
                format!("`rotation`: `target = \"{}\"` has no dates in its names: leave it out", target.name());
            self.problem(at("rotation"), problem);
        }
        if rotation == Rotation::NoRotation && rotate_by != RotateBy::Event {
            self.problem(at("rotate_by"), "`rotate_by` needs a rotation");
        }
        if rotation == Rotation::NoRotation && config.index_retention.is_some() {
            self.problem(at("retention"), "`retention` needs a rotation: it goes by the dates in names of indices");
        }
        match naming(&pattern, rotation) {
            Ok(naming) => config.naming = naming.by(rotate_by),
            Err(error) => self.problem(at("name"), error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        Config::parse(text).map_or_else(|error| error.problems, |_| Vec::new())
    }

    const CLUSTER: &str = "[index]\nengine = \"opensearch\"\nendpoint = \"http://127.0.0.1:1\"\n";

    #[test]
    fn names_take_what_a_log_event_brings_and_any_of_both_times() {
        let text = "[index]\nname = \"l-{owner}-{log_group}-{log_stream}-{format}\"\nrotation = \"OneWeek\"\nrotate_by = \"arrival\"\n\
            conflicts = \"text\"\nretention = \"30d\"\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.naming.pattern(), "l-{owner}-{log_group}-{log_stream}-{format}");
        assert_eq!((config.naming.rotation(), config.naming.rotate_by()), (Rotation::OneWeek, RotateBy::Arrival));
        assert_eq!(config.conflicts, Conflicts::Text);
        assert_eq!(config.index_retention, Some(Duration::from_secs(30 * 24 * 3600)));
        let again = Config::parse(&config.describe()).unwrap();
        assert_eq!(again.describe(), config.describe());
        assert_eq!((again.naming, again.index_retention), (config.naming, config.index_retention));
        let plain = Config::parse("").unwrap();
        assert_eq!(
            (plain.conflicts, plain.index_retention, plain.index.target()),
            (Conflicts::Fail, None, Target::Index)
        );
        assert_eq!(plain.naming.rotate_by(), RotateBy::Event);
    }

    #[test]
    fn aliases_and_data_streams_have_no_dates_in_their_names() {
        for target in [Target::Alias, Target::DataStream] {
            let config = Config::parse(&format!("{CLUSTER}target = \"{}\"\n", target.name())).unwrap();
            assert_eq!((config.index.target(), config.naming.rotation()), (target, Rotation::NoRotation));
            assert_eq!(Config::parse(&config.describe()).unwrap().describe(), config.describe());
        }
    }

    #[test]
    fn what_does_not_go_together_is_named_all_at_once() {
        for (text, expected) in [
            (
                "[index]\nrotate_by = \"record\"\nconflicts = \"drop\"\nretention = \"0s\"\n".to_owned(),
                vec![
                    "line 2: `rotate_by`: `record` is neither `event` nor `arrival`",
                    "line 3: `conflicts`: `drop` is neither `fail` nor `text`",
                    "line 4: `retention`: is zero",
                ],
            ),
            (
                "[index]\nrotation = \"NoRotation\"\nrotate_by = \"arrival\"\nretention = \"1d\"\n".to_owned(),
                vec![
                    "line 3: `rotate_by` needs a rotation",
                    "line 4: `retention` needs a rotation: it goes by the dates in names of indices",
                ],
            ),
            (
                "[index]\ntarget = \"alias\"\n".to_owned(),
                vec!["line 2: `target` is of the engine `opensearch`, and `engine` is not set to it"],
            ),
            (
                format!("{CLUSTER}target = \"data_stream\"\noperation = \"index\"\nrotation = \"OneDay\"\n"),
                vec![
                    "line 5: `operation`: a data stream takes only `create`",
                    "line 6: `rotation`: `target = \"data_stream\"` has no dates in its names: leave it out",
                ],
            ),
            (
                format!("{CLUSTER}target = \"stream\"\n"),
                vec!["line 4: `target`: `stream` is none of `index`, `alias`, `data_stream`"],
            ),
        ] {
            assert_eq!(problems(&text), expected, "{text}");
        }
    }
}
