//! What a message says, trait by trait; the corpora are in [`corpus`], hostile and random texts in [`properties`].

mod attributions;
mod corpus;
mod forwards;
mod markup;
mod properties;
mod signatures;
mod tables;
