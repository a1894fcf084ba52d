/* On this machine: cc -Wall -o out/test tests/answer_test.c src/answer.c && out/test */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "../src/answer.h"

int main(void)
{
	char buffer[256], small[8];
	size_t size = answer("GET / HTTP/1.1", 14, buffer, sizeof buffer);

	assert(size == strlen(buffer));
	assert(strncmp(buffer, "HTTP/1.1 200 OK\r\n", 17) == 0);
	assert(strstr(buffer, "\r\n\r\nhello from @NAME@\n") != NULL);
	answer("GET /etc/passwd", 15, buffer, sizeof buffer);
	assert(strncmp(buffer, "HTTP/1.1 404 ", 13) == 0);
	answer("", 0, buffer, sizeof buffer);
	assert(strncmp(buffer, "HTTP/1.1 404 ", 13) == 0);
	assert(answer("GET / ", 6, small, sizeof small) == sizeof small - 1);
	puts("all right");
	return 0;
}
