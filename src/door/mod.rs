//! Edge in: who is calling, what they ask, and errors turned into answers. Sees the wire; nothing below it does.
pub mod grpc;
pub mod wire;
