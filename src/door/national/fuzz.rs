//! What is compared of two messages, for the fuzz targets.

use super::json::{self, Json};

/// The canonical text of a message is a message that has the same canonical text.
pub fn canonical(bytes: &[u8]) {
    let Some(message) = json::read(bytes) else { return };
    let text = message.canonical();
    let again = json::read(text.as_bytes());
    assert_eq!(again.as_ref().map(Json::canonical), Some(text), "one text for what says the same");
}
