#include "answer.h"

#include <stdio.h>
#include <string.h>

size_t answer(const char *request, size_t length, char *buffer, size_t size)
{
	static const char line[] = "GET / ";
	const int found = length >= sizeof line - 1 && memcmp(request, line, sizeof line - 1) == 0;
	const char *status = found ? "200 OK" : "404 Not Found";
	const char *body = found ? "hello from @NAME@\n" : "there is only /\n";
	const int wanted = snprintf(buffer, size,
		"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
		status, strlen(body), body);

	if (wanted < 0 || size == 0)
		return 0;
	return (size_t)wanted < size ? (size_t)wanted : size - 1;
}
