/* `driver PATIENCE CALL…`: makes these calls of nacre/app.h over its standard input, which is a socket, and prints what
 * came of each, a line each: tests/c_interface.rs is at the other end. */
#include <nacre/app.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct nacre os;

static void print_bytes(const uint8_t *bytes, size_t length)
{
	for (size_t at = 0; at < length; at++)
		printf("%02x", bytes[at]);
}

static int attempt(const char *what)
{
	static struct nacre_app apps[NACRE_APPS];
	static char longest[5000];
	static uint8_t answer[NACRE_PAYLOAD];
	struct nacre_stats stats;
	struct nacre_device device;
	int result, ends[2];

	if (strcmp(what, "stats") == 0) {
		result = nacre_stats(&os, &stats);
		if (result == NACRE_OK)
			printf("%llu %llu %llu %u %u ", (unsigned long long)stats.uptime_ms,
				(unsigned long long)stats.cpu_busy_ms, (unsigned long long)stats.cpu_total_ms,
				stats.memory_total_kib, stats.memory_available_kib);
		return result;
	}
	if (strcmp(what, "device") == 0) {
		result = nacre_device(&os, &device);
		if (result == NACRE_OK) {
			printf("%s %s %s %d %d ", device.image, device.version, device.board, device.development,
				device.has_address);
			print_bytes(device.address, sizeof device.address);
			putchar(' ');
		}
		return result;
	}
	if (strcmp(what, "apps") == 0) {
		result = nacre_apps(&os, apps, NACRE_APPS);
		for (int at = 0; at < result; at++)
			printf("%s %s %u %u %u %llu [%s] ", apps[at].app, apps[at].version, apps[at].state,
				apps[at].restarts, apps[at].memory_kib, (unsigned long long)apps[at].since_ms,
				apps[at].last_end);
		return result;
	}
	if (strcmp(what, "apps-few") == 0)
		return nacre_apps(&os, apps, 1);
	if (strcmp(what, "call") == 0) {
		result = nacre_call(&os, "org.example.peer", "hello", 5, answer, sizeof answer);
		if (result >= 0)
			print_bytes(answer, (size_t)result);
		putchar(' ');
		return result;
	}
	if (strcmp(what, "call-few") == 0)
		return nacre_call(&os, "org.example.peer", "hello", 5, answer, 2);
	if (strcmp(what, "call-longest") == 0)
		return nacre_call(&os, "org.example.peer", longest, NACRE_PAYLOAD, answer, sizeof answer);
	if (strcmp(what, "call-too-long") == 0)
		return nacre_call(&os, "org.example.peer", longest, NACRE_PAYLOAD + 1, answer, sizeof answer);
	if (strcmp(what, "call-nobody") == 0) {
		memset(longest, 'x', sizeof longest - 1);
		return nacre_call(&os, longest, "", 0, answer, sizeof answer);
	}
	if (strcmp(what, "answer") == 0)
		return nacre_answer(&os, &os.call, os.call.payload, os.call.length);
	if (strcmp(what, "events") == 0)
		return nacre_events(&os);
	if (strcmp(what, "heartbeat") == 0)
		return nacre_heartbeat(&os);
	if (strcmp(what, "beat") == 0)
		return nacre_beat_every(&os, 20);
	if (strcmp(what, "stop") == 0)
		return nacre_stop_requested(&os);
	if (strcmp(what, "wait") == 0 || strcmp(what, "look") == 0) {
		result = nacre_wait(&os, NULL, 0, strcmp(what, "wait") == 0 ? 100 : 0);
		if (result == NACRE_CALLED) {
			printf("%u %s ", os.call.number, os.call.from);
			print_bytes(os.call.payload, os.call.length);
			putchar(' ');
		}
		return result;
	}
	if (strcmp(what, "wait-pipe") == 0) {
		if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1)
			return -97;
		result = nacre_wait(&os, ends, 1, 10000);
		close(ends[0]);
		close(ends[1]);
		return result;
	}
	if (strcmp(what, "log") == 0)
		return nacre_log(&os, NACRE_WARNING, "no answer", "peer", "recorder", "why", "a \"b\"", NULL);
	if (strcmp(what, "log-plain") == 0)
		return nacre_log(&os, NACRE_DEBUG, "plain", NULL);
	if (strcmp(what, "log-most") == 0)
		return nacre_log(&os, NACRE_INFO, "", "a", "", "b", "", "c", "", "d", "", "e", "", "f", "", "g", "", "h", "",
			NULL);
	if (strcmp(what, "log-too-many") == 0)
		return nacre_log(&os, NACRE_INFO, "", "a", "", "b", "", "c", "", "d", "", "e", "", "f", "", "g", "", "h", "",
			"i", "", NULL);
	if (strcmp(what, "line") == 0 || strcmp(what, "uart") == 0) {
		result = strcmp(what, "line") == 0 ? nacre_line(&os, "LED1", NACRE_OUTPUT_HIGH)
						   : nacre_uart(&os, "console2", 115200, NACRE_EVEN);
		if (result >= 0) {
			/* What was handed over is a pipe. */
			const int usable = write(result, "hi", 2) == 2 && nacre_line_value(result) < 0
				&& nacre_line_set(result, 1) < 0;

			close(result);
			return usable ? 0 : -99;
		}
		return result;
	}
	if (strcmp(what, "edge") == 0) {
		result = nacre_line(&os, "BUTTON1", NACRE_EDGES);
		for (int at = 0; at < 3 && result >= 0; at++)
			printf("%d ", nacre_line_edge(result, 5));
		if (result >= 0)
			close(result);
		return result < 0 ? result : 0;
	}
	if (strcmp(what, "save-path") == 0)
		return nacre_save(&os, "../etc/passwd", "", 0);
	return -98;
}

int main(int argc, char **argv)
{
	nacre_over(&os, STDIN_FILENO);
	os.patience_ms = argc > 1 ? atoi(argv[1]) : 10000;
	for (int at = 2; at < argc; at++) {
		const int result = attempt(argv[at]);

		printf("%d%s%s\n", result, result < 0 ? " " : "", result < 0 ? nacre_words(&os) : "");
	}
	nacre_close(&os);
	return 0;
}
