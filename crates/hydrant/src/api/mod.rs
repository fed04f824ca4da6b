//! The OpenSearch REST door.
