//! Which server answers, and whether it is one that Hydrant was tested with.

use serde_json::Value as Json;

/// What `GET /` tells of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `opensearch`; Elasticsearch names none.
    pub distribution: String,
    pub number: String,
}

/// How far a server is supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    Tested,
    /// It answers alike, as far as is known.
    Untested,
    /// Nobody has looked at it; the sentence says so.
    Unknown(String),
    /// It lacks what Hydrant needs.
    Refused(String),
}

impl Server {
    /// `None`: what answers does not say what it is.
    pub fn from_answer(about: &Json) -> Option<Server> {
        let version = about.get("version")?;
        let text = |name: &str| version.get(name).and_then(Json::as_str).map(str::to_owned);
        let distribution = text("distribution").unwrap_or_else(|| "elasticsearch".to_owned());
        Some(Server { distribution, number: text("number")? })
    }

    pub fn support(&self) -> Support {
        let mut numbers = self.number.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let what = format!("{} {}", self.distribution, self.number);
        let old = || {
            Support::Refused(format!("{what} is too old: OpenSearch 1.3 or newer, or Elasticsearch 7.10, is needed"))
        };
        match (self.distribution.as_str(), version) {
            ("opensearch", (2, 19..) | (3, _)) => Support::Tested,
            // `compatibility.override_main_response_version` makes OpenSearch 1 and 2 say 7.10.
            ("opensearch", (1, 3..) | (2, _) | (7, 10)) | ("elasticsearch", (7, 10)) => Support::Untested,
            ("opensearch", (4.., _)) => Support::Unknown(format!(
                "{what} is newer than this Hydrant, which was tested with OpenSearch 2.19 and 3"
            )),
            ("elasticsearch", (7, 11..) | (8.., _)) => Support::Unknown(format!(
                "{what} was never tried: Hydrant writes to OpenSearch, and of Elasticsearch only 7.10 is known to answer alike"
            )),
            ("opensearch" | "elasticsearch", _) => old(),
            _ => Support::Unknown(format!("{what} is neither OpenSearch nor Elasticsearch")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn servers_are_told_by_what_they_say() {
        let of = |version: Json| Server::from_answer(&json!({"name": "n", "version": version})).unwrap().support();
        let opensearch = |number: &str| of(json!({"distribution": "opensearch", "number": number}));
        let elasticsearch = |number: &str| of(json!({"number": number, "build_flavor": "oss"}));
        for number in ["2.19.1", "2.19.4-SNAPSHOT", "2.20.0", "3.0.0", "3.8.0"] {
            assert_eq!(opensearch(number), Support::Tested, "{number}");
        }
        for number in ["1.3.20", "2.0.0", "2.18.0", "7.10.2"] {
            assert_eq!(opensearch(number), Support::Untested, "{number}");
        }
        assert_eq!(elasticsearch("7.10.2"), Support::Untested);
        for old in [opensearch("1.2.4"), elasticsearch("7.9.3"), elasticsearch("6.8.0"), elasticsearch("5.1")] {
            let Support::Refused(sentence) = old else { panic!("{old:?}") };
            assert!(sentence.contains("is too old: OpenSearch 1.3 or newer"), "{sentence}");
        }
        for (unknown, part) in [
            (opensearch("4.0.0"), "opensearch 4.0.0 is newer"),
            (elasticsearch("8.15.0"), "elasticsearch 8.15.0 was never tried"),
            (elasticsearch("7.17.9"), "was never tried"),
            (of(json!({"distribution": "other", "number": "1.0"})), "neither OpenSearch nor Elasticsearch"),
        ] {
            let Support::Unknown(sentence) = unknown else { panic!("{unknown:?}") };
            assert!(sentence.contains(part), "{sentence}");
        }
        assert_eq!(Server::from_answer(&json!({"message": "hello"})), None);
    }
}
