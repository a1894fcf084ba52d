/* What is answered to a request (RFC 9112). */
#ifndef ANSWER_H
#define ANSWER_H

#include <stddef.h>

/* Writes the answer to a request of `length` bytes; returns its own length, which is less than `size`. */
size_t answer(const char *request, size_t length, char *buffer, size_t size);

#endif
