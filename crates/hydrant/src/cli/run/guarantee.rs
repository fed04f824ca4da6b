//! What a configuration cannot promise, said before the first record is read.

use hydrant_opensearch::Target;
use hydrant_transform::document::RotateBy;

use crate::config::{Config, IndexEngine};

/// Logs a line for each setting under which a repeat may be a second document.
pub(super) fn say(config: &Config) {
    for why in weaker(config) {
        tracing::warn!("at least once, not exactly once: {why}; repeats share event_id and ordinal");
    }
}

fn weaker(config: &Config) -> Vec<&'static str> {
    let mut all = Vec::new();
    if config.naming.rotate_by() == RotateBy::Arrival {
        all.push("index.rotate_by = \"arrival\", and a record that its producer repeats may go to another index");
    }
    match config.index.target() {
        Target::Index => {}
        Target::Alias => all.push("index.target = \"alias\", and behind a rollover an id is new again"),
        Target::DataStream => all.push("index.target = \"data_stream\", and behind a rollover an id is new again"),
    }
    if matches!(&config.index, IndexEngine::OpenSearch(cluster) if !cluster.ids) {
        all.push("index.ids = \"off\", and the server makes the ids");
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_weakens_the_promise_is_said() {
        let said = |text: &str| weaker(&Config::parse(text).unwrap());
        let none: [&str; 0] = [];
        assert_eq!(said(""), none);
        assert_eq!(
            said("[index]\nrotate_by = \"arrival\"\n"),
            ["index.rotate_by = \"arrival\", and a record that its producer repeats may go to another index"]
        );
        let cluster = "[index]\nengine = \"opensearch\"\nendpoint = \"http://127.0.0.1:1\"\n";
        assert_eq!(said(cluster), none);
        assert_eq!(
            said(&format!("{cluster}target = \"alias\"\n")),
            ["index.target = \"alias\", and behind a rollover an id is new again"]
        );
        assert_eq!(
            said(&format!("{cluster}target = \"data_stream\"\nids = \"off\"\n")),
            [
                "index.target = \"data_stream\", and behind a rollover an id is new again",
                "index.ids = \"off\", and the server makes the ids",
            ]
        );
    }
}
