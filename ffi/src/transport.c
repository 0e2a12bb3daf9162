#include "transport.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "curl_constants.h"
#include "provider.h"

void ws_transport_init_curl(ws_transport *transport, ws_easy *easy) {
    memset(transport, 0, sizeof *transport);
    transport->handle = ws_easy_handle(easy);
    transport->fd = ws_easy_is_plain(easy) ? ws_easy_socket(easy) : -1;
}

void ws_transport_init_memory(ws_transport *transport) {
    memset(transport, 0, sizeof *transport);
    transport->write_capacity = SIZE_MAX;
}

void ws_transport_free(ws_transport *transport) {
    ws_bytes_free(&transport->incoming);
    ws_bytes_free(&transport->outgoing);
}

/* libcurl reads nothing ahead unless it is asked to read. What the handshake read
 * too much is what it holds; after its first AGAIN that is gone for good. */
static ws_io read_socket(ws_transport *transport, uint8_t *buffer, size_t size, size_t *got) {
    ssize_t count;
    do count = recv(transport->fd, buffer, size, MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    if (count > 0) {
        *got = (size_t)count;
        return WS_IO_OK;
    }
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return WS_IO_AGAIN;
    if (count < 0) transport->curl_code = WS_CURLE_RECV_ERROR;
    return WS_IO_EOF; /* also a reset: see read_curl */
}

static ws_io read_curl(ws_transport *transport, uint8_t *buffer, size_t size, size_t *got) {
    int code = ws_curl.easy_recv(transport->handle, buffer, size, got);
    if (code == WS_CURLE_OK) return *got ? WS_IO_OK : WS_IO_EOF;
    if (code == WS_CURLE_AGAIN) {
        transport->direct = transport->fd >= 0;
        return WS_IO_AGAIN;
    }
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
    if (transport->direct) return read_socket(transport, buffer, size, got);
    return transport->handle ? read_curl(transport, buffer, size, got)
                             : read_memory(transport, buffer, size, got);
}

int ws_transport_drained(const ws_transport *transport, size_t size, size_t got) {
    /* A socket gives all it has, up to size. */
    return transport->direct && got < size;
}

static ws_io write_socket(ws_transport *transport, const uint8_t *data, size_t size,
                          size_t *sent) {
    ssize_t count;
    do count = send(transport->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    if (count > 0) {
        *sent = (size_t)count;
        return WS_IO_OK;
    }
    if (count == 0 || errno == EAGAIN || errno == EWOULDBLOCK) return WS_IO_AGAIN;
    transport->curl_code = WS_CURLE_SEND_ERROR;
    return WS_IO_ERROR;
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
    if (transport->direct) return write_socket(transport, data, size, sent);
    return transport->handle ? write_curl(transport, data, size, sent)
                             : write_memory(transport, data, size, sent);
}
