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

#include <nacre/app.h>

#include "answer.h"

/* Between two heartbeats, in milliseconds: a third of what nacre.yaml says. */
#define HEARTBEAT 10000

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

	/* Who knocked may have gone again. */
	if (connection < 0)
		return;
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
	static struct nacre os;
	const unsigned short port = port_of(argc, argv);
	const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char number[8];
	int woken;

	/* Whoever reads the answer may be gone already. */
	signal(SIGPIPE, SIG_IGN);
	if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof address) != 0
	    || listen(listener, 8) != 0) {
		fprintf(stderr, "listen on port %u: %s\n", port, strerror(errno));
		return 1;
	}
	/* The OS: told that the app is well, and asked to tell it before it is stopped. */
	if (nacre_open(&os) < 0 || nacre_beat_every(&os, HEARTBEAT) < 0 || nacre_events(&os) < 0) {
		fprintf(stderr, "%s\n", nacre_words(&os));
		return 1;
	}
	/* A line of the log with its parts, for `nacre device logs`. What is printed comes there as well, as text. */
	snprintf(number, sizeof number, "%u", port);
	nacre_log(&os, NACRE_INFO, "listening", "port", number, NULL);
	while ((woken = nacre_wait(&os, &listener, 1, -1)) != NACRE_SHUTDOWN) {
		if (woken < 0) {
			fprintf(stderr, "%s\n", nacre_words(&os));
			return 1;
		}
		if (woken == NACRE_READY)
			serve(accept(listener, NULL, NULL));
	}
	/* SIGTERM follows within a second: what must be written would be written here. */
	nacre_log(&os, NACRE_INFO, "stopping", NULL);
	return 0;
}
