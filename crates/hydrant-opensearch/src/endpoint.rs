//! An address of a cluster, and whether it answers: one that gives no answer is left out for [`DOWN`], each time in a row
//! twice as long, up to [`DOWN_MAX`].

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use tokio::time::Instant;

/// How long an endpoint without an answer is left out at first.
pub(crate) const DOWN: Duration = Duration::from_secs(10);

/// And at most: one that is silent costs a request's whole time whenever it is asked.
pub(crate) const DOWN_MAX: Duration = Duration::from_secs(80);

/// One address of the cluster.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    /// Until when it is left out, and for how long that was.
    down: Mutex<Option<(Instant, Duration)>>,
}

/// Whether an address is one of an endpoint.
///
/// # Errors
/// Why it is none, without what may be a password in it.
pub fn check_endpoint(text: &str) -> Result<(), String> {
    Endpoint::new(text).map(drop)
}

/// Whether an address is one of a proxy.
///
/// # Errors
/// Why it is none.
pub fn check_proxy(text: &str) -> Result<(), String> {
    if Url::parse(text).is_ok_and(|url| is_address(&url)) { Ok(()) } else { Err(ADDRESS_EXPECTED.to_owned()) }
}

const ADDRESS_EXPECTED: &str = "`http://HOST:PORT` or `https://HOST:PORT` is expected";

fn is_address(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.host_str().is_some()
}

impl Endpoint {
    /// Why it is none is told without what may be a secret in it.
    pub(crate) fn new(text: &str) -> Result<Endpoint, String> {
        let shown = without_secrets(text);
        let wrong = |why: &dyn std::fmt::Display| format!("endpoint `{shown}`: {why}");
        let url = Url::parse(text).map_err(|error| wrong(&error))?;
        if !is_address(&url) {
            return Err(wrong(&ADDRESS_EXPECTED));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(&"a user belongs into the sign-in's settings, not into the address"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(&"an address has nothing behind its path"));
        }
        Ok(Endpoint { url, down: Mutex::new(None) })
    }

    pub(crate) fn name(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    pub(crate) fn is_down(&self) -> bool {
        let down = *self.down.lock().unwrap_or_else(PoisonError::into_inner);
        down.is_some_and(|(until, _)| until > Instant::now())
    }

    pub(crate) fn went_down(&self) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = down.map_or(DOWN, |(_, lasted)| (lasted * 2).min(DOWN_MAX));
        *down = Some((Instant::now() + lasts, lasts));
    }

    pub(crate) fn came_up(&self) {
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// An address, right or wrong, without what may be a name and a password in it, or a token behind it.
fn without_secrets(text: &str) -> String {
    let address = |text: &str| text.split(['?', '#']).next().unwrap_or_default().to_owned();
    let Some((_, behind)) = text.rsplit_once('@') else { return address(text) };
    let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme)).unwrap_or_default();
    format!("{scheme}***@{}", address(behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_none_are_named() {
        for (endpoint, problem) in [
            ("127.0.0.1:9200", "endpoint `127.0.0.1:9200`"),
            ("ftp://a", "is expected"),
            ("https://u:p@a", "a user belongs into the sign-in's settings"),
            ("https://a/b?c=d", "endpoint `https://a/b`: an address has nothing behind its path"),
            ("https://a#b", "endpoint `https://a`: an address has nothing behind its path"),
            ("", "endpoint ``"),
        ] {
            let told = check_endpoint(endpoint).expect_err(endpoint);
            assert!(told.contains(problem), "{told}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for (endpoint, shown) in [
            ("https://jane:s3cret@a:9200", "endpoint `https://***@a:9200`"),
            ("https://s3cret@a", "endpoint `https://***@a`"),
            ("https://jane:s3@cret@a", "endpoint `https://***@a`"),
            // The last two are no addresses: what stands where is a guess.
            ("https://jane:s3cret/x@a", "endpoint `https://***@a`"),
            ("jane:s3cret@a:9200", "endpoint `***@a:9200`"),
            ("https://a?token=s3cret", "endpoint `https://a`"),
            ("https://jane:?s3cret@a", "endpoint `https://***@a`"),
        ] {
            let told = check_endpoint(endpoint).expect_err(endpoint);
            assert!(told.contains(shown), "{told}");
            assert!(!told.contains("s3") && !told.contains("cret") && !told.contains("jane"), "{told}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_is_left_out_twice_as_long_each_time_in_a_row() {
        let endpoint = Endpoint::new("http://a").expect("an address");
        for seconds in [10, 20, 40, 80, 80] {
            endpoint.went_down();
            tokio::time::advance(Duration::from_secs(seconds - 1)).await;
            assert!(endpoint.is_down(), "{seconds}");
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(!endpoint.is_down(), "{seconds}");
        }
        endpoint.came_up();
        endpoint.went_down();
        tokio::time::advance(DOWN).await;
        assert!(!endpoint.is_down());
    }
}
