//! The subscription filter: log events of a log stream packed into the envelopes that CloudWatch Logs sends.
