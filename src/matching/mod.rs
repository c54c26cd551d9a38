//! From messages to conversations: which keys a message is known by, and, over what the store found
//! under them, the decision. Pure: no I/O, no clock, no SQL.

pub mod decide;
mod entrance;
pub mod keys;
mod union;

#[cfg(test)]
mod tests;
