//! The writer against a real OpenSearch, each class of answer provoked. `./test` fetches the server; its folder is
//! `HYDRANT_OPENSEARCH`.

#[cfg(test)]
mod classes;

#[cfg(test)]
mod server;

#[cfg(test)]
mod sizes;
