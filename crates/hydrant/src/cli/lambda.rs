//! `hydrant config check --lambda`: the settings of the Lambda function, from the variables of this environment.

#[cfg(feature = "aws")]
pub(super) fn check() -> anyhow::Result<()> {
    use hydrant_aws::Environment;
    use hydrant_lambda::settings::{Settings, SettingsError, check_text};

    use super::output;
    use crate::config::ConfigError;

    let text = |text: std::ffi::OsString| text.into_string().ok();
    // The program's own log, which the function does not have.
    let others = std::env::vars_os().filter(|(name, _)| name != "HYDRANT_LOG");
    let variables = others.filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
    let described = check_text(std::env::vars_os()).and_then(|()| Settings::describe(&Environment::new(variables)));
    let described = described.map_err(|SettingsError(problems)| ConfigError {
        problems: problems.iter().map(|problem| output::plain(problem)).collect(),
    });
    output::line(described?.trim_end())?;
    Ok(())
}

#[cfg(not(feature = "aws"))]
pub(super) fn check() -> anyhow::Result<()> {
    anyhow::bail!("`--lambda` needs a build with the feature `aws`: cargo build --release --features aws")
}
