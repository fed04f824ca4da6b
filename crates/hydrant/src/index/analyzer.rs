//! How statements and messages become search terms.
