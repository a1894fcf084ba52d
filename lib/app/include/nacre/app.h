/* What an app in C asks of the OS, over /run/nacre. `build: c` finds this header and links what it declares; nothing is
 * allocated, and what is not used takes no room.
 *
 * Each call returns NACRE_OK or a figure, or a negative `enum nacre_error`; nacre_words() then says what was wrong, and,
 * for NACRE_DENIED, which line of nacre.yaml would allow it. docs/app-api.md has each call beside its Rust form.
 *
 *	static struct nacre os;
 *
 *	if (nacre_open(&os) < 0 || nacre_events(&os) < 0) {
 *		fprintf(stderr, "%s\n", nacre_words(&os));
 *		return 1;
 *	}
 *	while (nacre_wait(&os, NULL, 0, 1000) != NACRE_SHUTDOWN)
 *		nacre_log(&os, NACRE_INFO, "still here", "every", "1 s", NULL);
 */
#ifndef NACRE_APP_H
#define NACRE_APP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most bytes of a payload, of a packet, and of what nacre_words() says, its end included. */
#define NACRE_PAYLOAD 3072
#define NACRE_PACKET 4096
#define NACRE_WORDS 512

/* Longest texts, with their end. What the OS says beyond is cut. */
#define NACRE_NAME 65
#define NACRE_TEXT 97

/* Most apps on a device, most descriptors that nacre_wait() looks at, most calls kept until it is asked. */
#define NACRE_APPS 12
#define NACRE_OTHERS 8
#define NACRE_KEPT 2

enum nacre_error {
	NACRE_OK = 0,
	NACRE_DENIED = -1,      /* The manifest does not grant it; the words have the line that would. */
	NACRE_UNAVAILABLE = -2, /* Not possible now; may be later. */
	NACRE_INVALID = -3,     /* The request makes no sense. */
	NACRE_TOO_LONG = -4,    /* More than a packet, a payload or the buffer holds. */
	NACRE_SILENCE = -5,     /* No answer within the patience. */
	NACRE_UNEXPECTED = -6,  /* The answer is none to this request. */
	NACRE_CONNECTION = -7   /* There is no connection, or no longer. */
};

/* Why nacre_wait() has ended. */
enum nacre_wake {
	NACRE_TIMEOUT = 0,  /* The time is over. */
	NACRE_CALLED = 1,   /* A peer calls: `os.call`, until the next wait; nacre_answer() within 5 s. */
	NACRE_SHUTDOWN = 2, /* The app is about to be stopped: SIGTERM comes within a second. */
	NACRE_UPDATE = 3,   /* An update waits for a good moment. No OS sends it yet. */
	NACRE_READY = 16    /* NACRE_READY + N: the descriptor at place N has something to read, or is closed. */
};

enum nacre_level { NACRE_ERROR, NACRE_WARNING, NACRE_INFO, NACRE_DEBUG };
enum nacre_mode { NACRE_INPUT, NACRE_EDGES, NACRE_OUTPUT_LOW, NACRE_OUTPUT_HIGH };
enum nacre_parity { NACRE_NONE, NACRE_EVEN, NACRE_ODD };
enum nacre_state {
	NACRE_RUNNING,
	NACRE_BACKOFF,
	NACRE_STOPPING,
	NACRE_STOPPED,
	NACRE_DONE,
	NACRE_FAILED,
	NACRE_REFUSED,
	NACRE_WAITING
};

/* The device in figures. */
struct nacre_stats {
	uint64_t uptime_ms;            /* since the kernel started */
	uint64_t cpu_busy_ms;          /* CPU time not idle since then */
	uint64_t cpu_total_ms;         /* CPU time in all since then */
	uint32_t memory_total_kib;     /* that the kernel manages */
	uint32_t memory_available_kib; /* that could be had */
};

/* Which device this is. */
struct nacre_device {
	char image[NACRE_NAME];
	char version[NACRE_NAME];
	char board[NACRE_NAME];
	int development;    /* its profile */
	int has_address;    /* whether it has one now */
	uint8_t address[4]; /* IPv4 */
};

/* An app, as its manager sees it. */
struct nacre_app {
	char app[NACRE_NAME];     /* component id */
	char version[NACRE_TEXT];
	uint32_t state;           /* enum nacre_state */
	uint32_t restarts;        /* since boot */
	uint32_t memory_kib;      /* 0 when not running */
	uint64_t since_ms;        /* in this state */
	char last_end[NACRE_TEXT]; /* empty if no run has ended */
};

/* A call of a peer. */
struct nacre_call {
	uint32_t number;
	char from[NACRE_NAME]; /* component id, as the OS knows it */
	size_t length;
	uint8_t payload[NACRE_PAYLOAD];
};

/* A connection. It is 14 KiB: static memory is a good place. One thread at a time uses it; an app may have four. Only
 * `fd` and `call` are for the app: `fd` is readable when nacre_wait() has something to give. */
struct nacre {
	int fd;
	struct nacre_call call;
	int patience_ms; /* longest time that an answer may take, 10 s */
	uint32_t next_id;
	uint32_t events;
	int stopping;
	int64_t beat_every_ms, next_beat_ms;
	size_t kept_count;
	struct nacre_call kept[NACRE_KEPT];
	uint8_t packet[NACRE_PACKET];
	char words[NACRE_WORDS];
};

/* Connects to the OS. */
int nacre_open(struct nacre *os);

/* Uses a connected SOCK_SEQPACKET socket: for tests of an app without the OS. */
void nacre_over(struct nacre *os, int fd);

/* Ends the connection. Lines and ports that were taken stay. */
void nacre_close(struct nacre *os);

/* What was wrong with the call before, for people: one line. */
const char *nacre_words(const struct nacre *os);

/* nacre.yaml: system: [stats] */
int nacre_stats(struct nacre *os, struct nacre_stats *stats);
int nacre_device(struct nacre *os, struct nacre_device *device);

/* All apps, at most `most`; returns how many. nacre.yaml: system: [apps-status] */
int nacre_apps(struct nacre *os, struct nacre_app *apps, size_t most);

/* Sends bytes to a peer and waits for its answer; returns the answer's length. nacre.yaml: apps: [the peer's id], and in
 * the peer's the id of this app. */
int nacre_call(struct nacre *os, const char *to, const void *payload, size_t length, void *answer, size_t size);

/* Answers a call. */
int nacre_answer(struct nacre *os, const struct nacre_call *call, const void *payload, size_t length);

/* Asks to be told what happens; nacre_wait() then gives it. nacre.yaml: events: [shutdown] */
int nacre_events(struct nacre *os);

/* Waits until an event or a call comes, or one of `count` other descriptors has something to read; for so many
 * milliseconds at most, or -1 for any time. Returns an `enum nacre_wake`, or an error. */
int nacre_wait(struct nacre *os, const int *others, size_t count, int milliseconds);

/* Whether the app has been told of its end, after nacre_events(): 1 or 0, or an error. Waits for nothing. */
int nacre_stop_requested(struct nacre *os);

/* Says that the app is well, now. nacre.yaml: health: { heartbeat: 30s } */
int nacre_heartbeat(struct nacre *os);

/* The same now, and from within nacre_wait() as often as that: a third of what the manifest says is good. */
int nacre_beat_every(struct nacre *os, int milliseconds);

/* Writes a line to the app's log, with up to eight fields, a key and a value each, and NULL behind the last:
 *	nacre_log(&os, NACRE_WARNING, "no answer", "peer", "recorder", "tries", "3", NULL);
 * Keys are of a-z, 0-9, _ and -; all texts together have at most 1,024 bytes. Every app may. */
#if defined(__GNUC__)
__attribute__((sentinel))
#endif
int nacre_log(struct nacre *os, enum nacre_level level, const char *text, ...);

/* Takes a GPIO line, by the board's name; returns its descriptor, and close() gives it back.
 * nacre.yaml: devices: { gpio: [LED1] } */
int nacre_line(struct nacre *os, const char *name, enum nacre_mode mode);

/* The value of a line: 1 or 0, or -1 and errno. */
int nacre_line_value(int line);

/* Drives an output: 0, or -1 and errno. */
int nacre_line_set(int line, int value);

/* The next change of a line in the mode NACRE_EDGES: 1 if it became high, 0 if low, -1 and errno, with ETIMEDOUT if none
 * came in time. */
int nacre_line_edge(int line, int milliseconds);

/* Takes a serial port, by the board's name: raw, 8 bits; returns its descriptor. Before close(), tcdrain(3) waits until
 * all is sent. nacre.yaml: devices: { uart: [console2] } */
int nacre_uart(struct nacre *os, const char *name, uint32_t baud, enum nacre_parity parity);

/* The app's own folder, which survives restarts and power cuts. nacre.yaml: storage: { data: 64KiB } */
#define NACRE_DATA "/data"

/* Saves a file in it, whole or not at all. For a moment the old content is there as well, and needs room. */
int nacre_save(struct nacre *os, const char *name, const void *content, size_t length);

#ifdef __cplusplus
}
#endif

#endif
