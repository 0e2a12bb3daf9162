#include "transport.h"

#include <string.h>

#include "curl_constants.h"
#include "provider.h"

void ws_transport_init_curl(ws_transport *transport, ws_easy *easy) {
    memset(transport, 0, sizeof *transport);
    transport->handle = ws_easy_handle(easy);
}

void ws_transport_init_memory(ws_transport *transport) {
    memset(transport, 0, sizeof *transport);
    transport->write_capacity = SIZE_MAX;
}

void ws_transport_free(ws_transport *transport) {
    ws_bytes_free(&transport->incoming);
    ws_bytes_free(&transport->outgoing);
}

static ws_io read_curl(ws_transport *transport, uint8_t *buffer, size_t size, size_t *got) {
    int code = ws_curl.easy_recv(transport->handle, buffer, size, got);
    if (code == WS_CURLE_OK) return *got ? WS_IO_OK : WS_IO_EOF;
    if (code == WS_CURLE_AGAIN) return WS_IO_AGAIN;
    transport->curl_code = code;
    /* libcurl calls every end other than a clean FIN a receive error: a reset, a
     * TLS stream without close_notify. To a WebSocket all of them are "the peer
     * is gone without a CLOSE". */
    if (code == WS_CURLE_RECV_ERROR || code == WS_CURLE_GOT_NOTHING) return WS_IO_EOF;
    return WS_IO_ERROR;
}

static ws_io read_memory(ws_transport *transport, uint8_t *buffer, size_t size, size_t *got) {
    size_t available = transport->incoming.size;
    if (available == 0) return transport->at_eof ? WS_IO_EOF : WS_IO_AGAIN;
    if (available > size) available = size;
    if (transport->read_chunk && available > transport->read_chunk)
        available = transport->read_chunk;
    memcpy(buffer, transport->incoming.data, available);
    ws_bytes_drop_front(&transport->incoming, available);
    *got = available;
    return WS_IO_OK;
}

ws_io ws_transport_read(ws_transport *transport, uint8_t *buffer, size_t size, size_t *got) {
    return transport->handle ? read_curl(transport, buffer, size, got)
                             : read_memory(transport, buffer, size, got);
}

static ws_io write_curl(ws_transport *transport, const uint8_t *data, size_t size, size_t *sent) {
    int code = ws_curl.easy_send(transport->handle, data, size, sent);
    if (code == WS_CURLE_OK && *sent) return WS_IO_OK;
    if (code == WS_CURLE_OK || code == WS_CURLE_AGAIN) return WS_IO_AGAIN;
    transport->curl_code = code;
    return WS_IO_ERROR;
}

static ws_io write_memory(ws_transport *transport, const uint8_t *data, size_t size,
                          size_t *sent) {
    if (size > transport->write_capacity) size = transport->write_capacity;
    if (size == 0) return WS_IO_AGAIN;
    if (ws_bytes_append(&transport->outgoing, data, size) != 0) {
        transport->curl_code = WS_CURLE_OUT_OF_MEMORY;
        return WS_IO_ERROR;
    }
    transport->write_capacity -= size;
    *sent = size;
    return WS_IO_OK;
}

ws_io ws_transport_write(ws_transport *transport, const uint8_t *data, size_t size, size_t *sent) {
    return transport->handle ? write_curl(transport, data, size, sent)
                             : write_memory(transport, data, size, sent);
}
