/* Answers each HTTP request with one line. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "answer.h"

/* The port in `--port 8080`. */
static unsigned short port_of(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--port") == 0)
			return (unsigned short)strtoul(argv[i + 1], NULL, 10);
	return 8080;
}

static void serve(int connection)
{
	/* One that waits would keep all others out. */
	const struct timeval patience = { .tv_sec = 2 };
	char request[512], response[256];
	ssize_t length;

	setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	length = read(connection, request, sizeof request);
	if (length > 0) {
		const size_t size = answer(request, (size_t)length, response, sizeof response);

		if (write(connection, response, size) != (ssize_t)size)
			fprintf(stderr, "a connection failed: %s\n", strerror(errno));
	}
	close(connection);
}

int main(int argc, char **argv)
{
	const unsigned short port = port_of(argc, argv);
	const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Whoever reads the answer may be gone already. */
	signal(SIGPIPE, SIG_IGN);
	/* Each line comes to the log when it is written, not when the buffer is full. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof address) != 0
	    || listen(listener, 8) != 0) {
		fprintf(stderr, "listen on port %u: %s\n", port, strerror(errno));
		return 1;
	}
	/* What is written to standard output and standard error is the app's log: `nacre device logs`. */
	printf("listening on port %u\n", port);
	for (;;) {
		const int connection = accept(listener, NULL, NULL);

		if (connection >= 0)
			serve(connection);
		else if (errno != EINTR && errno != ECONNABORTED)
			fprintf(stderr, "a connection failed: %s\n", strerror(errno));
	}
}
