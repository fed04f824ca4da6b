//! The contracts of the two seams, each sentence a case, run on every engine.

mod index;

mod stream;
