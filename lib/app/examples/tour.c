/* Every call of nacre/app.h once, with a line for each: what it gave, or the words with which it was refused.
 *
 * `tour LINE PORT PEER` asks for a GPIO line, a serial port and an answer of a peer; `tour answer` is that peer. The
 * tests run both as apps on each board, with a manifest that allows everything and with one that allows nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <nacre/app.h>

/* Between two heartbeats, in milliseconds: a third of what the manifest says. */
#define HEARTBEAT 3000

static struct nacre os;

/* Says in a line how a call ended. */
static void tell(const char *name, int result, const char *what)
{
	printf("%s: %s%s\n", name, result < 0 ? "" : "ok ", result < 0 ? nacre_words(&os) : what);
}

/* Asks a peer, which may not have started yet. */
static int call(const char *peer, char *answer, size_t size)
{
	const struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };

	for (int tries = 0;; tries++) {
		const int result = nacre_call(&os, peer, "hello", 5, answer, size - 1);

		if (result >= 0)
			answer[result] = '\0';
		if (result != NACRE_UNAVAILABLE || tries == 150)
			return result;
		nanosleep(&pause, NULL);
	}
}

/* Drives a line and reads it back, then waits a moment for it to change by itself. */
static int blink(const char *name, const char **what)
{
	int line = nacre_line(&os, name, NACRE_OUTPUT_LOW);

	if (line < 0)
		return line;
	*what = nacre_line_set(line, 1) == 0 && nacre_line_value(line) == 1 ? "high" : strerror(errno);
	close(line);
	line = nacre_line(&os, name, NACRE_EDGES);
	if (line < 0)
		return line;
	if (nacre_line_edge(line, 10) >= 0)
		*what = "changing";
	close(line);
	return NACRE_OK;
}

static int greet(const char *name)
{
	const int port = nacre_uart(&os, name, 115200, NACRE_NONE);

	if (port < 0)
		return port;
	if (write(port, "hello\r\n", 7) != 7)
		perror("write to the port");
	close(port);
	return NACRE_OK;
}

/* Answers every call with what it says. */
static int answer(void)
{
	int woken;

	while ((woken = nacre_wait(&os, NULL, 0, -1)) >= 0)
		if (woken == NACRE_CALLED)
			nacre_answer(&os, &os.call, os.call.payload, os.call.length);
	fprintf(stderr, "%s\n", nacre_words(&os));
	return 1;
}

static void tour(char **words)
{
	static struct nacre_app apps[NACRE_APPS];
	struct nacre_stats stats;
	struct nacre_device device;
	const char *value = "";
	char said[64] = "", count[16];
	int result;

	tell("log", nacre_log(&os, NACRE_WARNING, "a line", "language", "c", "parts", "2", NULL), "");
	tell("stats", nacre_stats(&os, &stats), "true");
	result = nacre_device(&os, &device);
	tell("device", result, device.board);
	result = nacre_apps(&os, apps, NACRE_APPS);
	snprintf(count, sizeof count, "%d", result);
	tell("apps", result, count);
	tell("call", call(words[3], said, sizeof said), said);
	result = blink(words[1], &value);
	tell("line", result, value);
	tell("uart", greet(words[2]), "sent");
	tell("save", nacre_save(&os, "tour", "saved", 5), "");
	tell("heartbeat", nacre_beat_every(&os, HEARTBEAT), "");
	result = nacre_events(&os);
	tell("events", result, "");
	puts("tour ends");
	/* Heartbeats go on from in here. */
	while (result >= 0)
		if (nacre_wait(&os, NULL, 0, -1) == NACRE_SHUTDOWN) {
			printf("stop: %s\n", nacre_stop_requested(&os) == 1 ? "true" : "false");
			break;
		}
}

int main(int argc, char **argv)
{
	/* Each line comes to the log when it is written, not when the buffer is full. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (nacre_open(&os) < 0) {
		fprintf(stderr, "%s\n", nacre_words(&os));
		return 1;
	}
	if (argc == 2 && strcmp(argv[1], "answer") == 0)
		return answer();
	if (argc != 4) {
		fprintf(stderr, "usage: tour LINE PORT PEER, or tour answer\n");
		return 2;
	}
	tour(argv);
	return 0;
}
