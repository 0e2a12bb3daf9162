#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "message.h"

ws_message *ws_message_new(const uint8_t *data, size_t size) {
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
    if (!bytes) PyErr_Clear(); /* reported as a status, not as an exception */
    return (ws_message *)bytes;
}

uint8_t *ws_message_data(ws_message *message) {
    return (uint8_t *)PyBytes_AsString((PyObject *)message);
}

ws_message *ws_message_resize(ws_message *message, size_t size) {
    PyObject *bytes = (PyObject *)message;
    if (_PyBytes_Resize(&bytes, (Py_ssize_t)size) != 0) {
        PyErr_Clear();
        return NULL;
    }
    return (ws_message *)bytes;
}

void ws_message_free(ws_message *message) { Py_XDECREF((PyObject *)message); }

int ws_message_deliver(uintptr_t list, ws_message *message) {
    int failed = PyList_Append((PyObject *)list, (PyObject *)message);
    Py_DECREF((PyObject *)message);
    if (failed) PyErr_Clear();
    return failed;
}

int ws_python_enter(void) { return (int)PyGILState_Ensure(); }
void ws_python_leave(int state) { PyGILState_Release((PyGILState_STATE)state); }
void *ws_python_pause(void) { return PyEval_SaveThread(); }
void ws_python_resume(void *paused) { PyEval_RestoreThread(paused); }
