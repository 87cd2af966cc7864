//! `GET /ws`: a WebSocket that sends back every message it receives (RFC 6455).

use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{Message, WebSocket};
use axum::response::Response;

/// Largest message, in bytes; a larger one ends the connection.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Upgrades and echoes until the client closes.
pub(super) async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(repeat)
}

async fn repeat(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let reply = match message {
            Message::Text(_) | Message::Binary(_) => message,
            // Pings are answered by the protocol layer.
            Message::Ping(_) | Message::Pong(_) => continue,
            Message::Close(_) => return,
        };
        if socket.send(reply).await.is_err() {
            return;
        }
    }
}
