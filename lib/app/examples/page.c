/* What docs/app-api.md shows, as a whole that is compiled. */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nacre/app.h>

static struct nacre os;

static int failed(void)
{
	fprintf(stderr, "%s\n", nacre_words(&os));
	return 1;
}

static void work(void)
{
	usleep(100000);
}

static int waits(int listener)
{
	int woken;

	if (nacre_open(&os) < 0 || nacre_events(&os) < 0)
		return failed();
	while ((woken = nacre_wait(&os, &listener, 1, 5000)) != NACRE_SHUTDOWN) {
		if (woken < 0)
			return failed();
		if (woken == NACRE_READY)
			close(accept(listener, NULL, NULL));
		if (woken == NACRE_CALLED)
			nacre_answer(&os, &os.call, "hello", 5);
		if (woken == NACRE_TIMEOUT)
			puts("still here");
	}
	return 0;
}

static int asks(void)
{
	static struct nacre_app apps[NACRE_APPS];
	struct nacre_stats stats;
	struct nacre_device device;
	char answer[64];
	int count, length;

	if (nacre_beat_every(&os, 10000) < 0)
		return failed();
	nacre_log(&os, NACRE_WARNING, "no answer", "peer", "recorder", "tries", "3", NULL);
	if (nacre_stats(&os, &stats) < 0 || nacre_device(&os, &device) < 0)
		return failed();
	printf("%s: up for %llu s\n", device.board, (unsigned long long)stats.uptime_ms / 1000);
	count = nacre_apps(&os, apps, NACRE_APPS);
	for (int at = 0; at < count; at++)
		printf("%s: %u KiB\n", apps[at].app, apps[at].memory_kib);
	length = nacre_call(&os, "com.example.logger", "hello", 5, answer, sizeof answer);
	if (length < 0)
		return failed();
	printf("%d bytes\n", length);
	return 0;
}

static int takes(void)
{
	int led, button, pressed, port;

	led = nacre_line(&os, "LED1", NACRE_OUTPUT_LOW);
	if (led < 0 || nacre_line_set(led, 1) < 0)
		return failed();
	button = nacre_line(&os, "BUTTON1", NACRE_EDGES);
	pressed = nacre_line_edge(button, 60000) == 1;
	port = nacre_uart(&os, "console2", 115200, NACRE_NONE);
	if (port < 0 || write(port, "hello\r\n", 7) != 7)
		return failed();
	if (nacre_save(&os, "settings", "every=5", 7) < 0)
		return failed();
	printf("%d\n", pressed);
	return 0;
}

int main(void)
{
	const int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (waits(listener) != 0 || asks() != 0 || takes() != 0)
		return 1;
	while (nacre_stop_requested(&os) == 0)
		work();
	return 0;
}
