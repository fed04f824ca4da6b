//! A byte lexer for SQL: what is code, what is a string, a quoted name or a comment.
