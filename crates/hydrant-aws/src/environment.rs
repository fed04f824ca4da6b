//! What AWS's own programs read from the environment: credentials, region, and the addresses of services.

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use reqwest::Url;

/// Variables by their names.
pub type Variables = BTreeMap<String, String>;

/// An environment, read once: a function's does not change while it runs.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: Variables,
}

impl Environment {
    pub fn new(variables: Variables) -> Environment {
        Environment { variables }
    }

    /// A variable that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The names of all variables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    pub fn region(&self) -> Option<&str> {
        self.get("AWS_REGION").or_else(|| self.get("AWS_DEFAULT_REGION"))
    }

    /// Where a service is, if somebody says so: `AWS_ENDPOINT_URL_KINESIS`, else `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self, service: &str) -> Option<&str> {
        self.endpoint_and_name(service).map(|(_, text)| text)
    }

    /// Whether that is an address.
    ///
    /// # Errors
    /// Why it is none, with its variable, and without the text: it may hold a password.
    pub fn check_endpoint(&self, service: &str) -> Result<(), String> {
        let Some((name, text)) = self.endpoint_and_name(service) else { return Ok(()) };
        address(text).map(drop).map_err(|why| format!("{name}: {why}"))
    }

    fn endpoint_and_name(&self, service: &str) -> Option<(String, &str)> {
        let ignored = self.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|text| text == "true");
        let own = format!("AWS_ENDPOINT_URL_{}", service.to_uppercase().replace(['-', ' '], "_"));
        let names = [own, "AWS_ENDPOINT_URL".to_owned()].into_iter();
        names.filter_map(|name| self.get(&name).map(|text| (name, text))).next().filter(|_| !ignored)
    }

    /// The credentials that stand in it: those of its role, in a function.
    pub fn credentials(&self) -> SharedCredentialsProvider {
        let part = |name: &str| self.get(name).map(str::to_owned);
        let keys = part("AWS_ACCESS_KEY_ID").zip(part("AWS_SECRET_ACCESS_KEY"));
        let found =
            keys.map(|(id, secret)| Credentials::new(id, secret, part("AWS_SESSION_TOKEN"), None, "environment"));
        SharedCredentialsProvider::new(Fixed(found))
    }
}

/// An address of a service. Why it is none is told without it: it may hold a password.
pub(crate) fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let is_bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if url.host_str().is_none() || !matches!(url.scheme(), "http" | "https") || !is_bare {
        return Err("`http://HOST:PORT` or `https://HOST:PORT` is expected, with no user and no query".to_owned());
    }
    Ok(url)
}

#[derive(Debug)]
struct Fixed(Option<Credentials>);

impl ProvideCredentials for Fixed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let none = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set";
        future::ProvideCredentials::ready(self.0.clone().ok_or_else(|| CredentialsError::not_loaded(none)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn addresses_of_services_are_their_own_then_those_of_all() {
        let both = [("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_KINESIS", "http://kinesis")];
        assert_eq!(environment(&both).endpoint("kinesis"), Some("http://kinesis"));
        assert_eq!(environment(&both).endpoint("s3"), Some("http://all"));
        assert_eq!(environment(&[("AWS_ENDPOINT_URL", "")]).endpoint("s3"), None);
        let ignored = [both[0], both[1], ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        assert_eq!(environment(&ignored).endpoint("kinesis"), None);
    }

    #[test]
    fn the_region_is_that_of_the_function() {
        let both = [("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_REGION", "eu-west-2")];
        assert_eq!(environment(&both).region(), Some("eu-west-2"));
        assert_eq!(environment(&both[..1]).region(), Some("eu-west-1"));
        assert_eq!(environment(&[]).region(), None);
    }

    #[tokio::test]
    async fn credentials_are_whole_or_none() {
        let all = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_SESSION_TOKEN", "token")];
        let found = environment(&all).credentials().provide_credentials().await.unwrap();
        let parts = (found.access_key_id(), found.secret_access_key(), found.session_token());
        assert_eq!(parts, ("id", "secret", Some("token")));
        assert!(environment(&all[1..]).credentials().provide_credentials().await.is_err());
    }
}
