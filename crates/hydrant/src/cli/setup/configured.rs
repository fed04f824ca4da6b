//! The configuration of `hydrant setup opensearch`, where `--endpoint` may stand for the file's own key.

use std::path::Path;

use toml::{Table, Value};

use crate::config::{self, Config, ConfigError};

/// What a file is told that says the engine and no address.
const LACKING: &str = "the engine `opensearch` needs `endpoint`";

/// Holds the place of the addresses that the command line gives.
const PLACE: &str = "http://localhost:9200";

/// Reads the file. With addresses `given`, it need not have one.
pub(super) fn load(file: Option<&Path>, given: bool) -> Result<Config, ConfigError> {
    let error = match Config::load(file) {
        Err(error) if given => error,
        answer => return answer,
    };
    // Whatever else is wrong is told with its line in the file.
    let (lacking, problems): (Vec<String>, _) =
        error.problems.into_iter().partition(|problem| problem.ends_with(LACKING));
    if lacking.is_empty() || !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    let path = file.unwrap_or(Path::new(config::FILE_NAME));
    with_place(path).unwrap_or(Err(ConfigError { problems: lacking }))
}

/// The file's settings with the key that it lacks. `None` where it is no longer what it was a moment ago.
fn with_place(path: &Path) -> Option<Result<Config, ConfigError>> {
    let mut table: Table = std::fs::read_to_string(path).ok()?.parse().ok()?;
    table.get_mut("index")?.as_table_mut()?.insert("endpoint".to_owned(), Value::String(PLACE.to_owned()));
    Some(Config::parse(&table.to_string()))
}
