//! The writer against a real OpenSearch, each class of answer provoked, and its client's sign-in against servers
//! of the tests' own. `./test` fetches OpenSearch; its folder is `HYDRANT_OPENSEARCH`.

#[cfg(test)]
mod classes;

#[cfg(test)]
mod outage;

#[cfg(test)]
mod server;

#[cfg(test)]
mod sizes;

#[cfg(test)]
mod tls;

#[cfg(test)]
fn writer_of(server: &server::Server, limits: hydrant_opensearch::Limits) -> hydrant_opensearch::Writer {
    let settings = hydrant_opensearch::Settings { endpoints: vec![server.url.clone()], ..Default::default() };
    hydrant_opensearch::Writer::new(hydrant_opensearch::Client::new(&settings).unwrap(), limits)
}
