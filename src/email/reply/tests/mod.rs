//! What a message says, trait by trait; the corpora are in [`corpus`].

mod corpus;
