//! The inbox view (api.md 7): one endpoint a file. Of it there are the attention items.

pub mod attention_items;
pub mod resolve_attention_item;
