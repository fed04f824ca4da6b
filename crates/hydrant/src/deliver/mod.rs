//! Delivery: read, transform, write, put what was rejected into failed/, commit.
