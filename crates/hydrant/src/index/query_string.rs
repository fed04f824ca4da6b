//! The query-string language of `q=` and of the page's search box, read into a [`super::Query`].
