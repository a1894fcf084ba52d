/* The C form of lib/app. The messages are those of lib/wire/src/app.rs, in CBOR (RFC 8949); tests/c_interface.rs holds
 * each against lib/wire. Nothing is allocated. What comes is read with its bounds, whatever it is. */
#include <nacre/app.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Numbers of requests (Ask) and outcomes. */
enum { STATS, APPS_STATUS, CALL, ANSWER, DEVICE, HEARTBEAT, LINE, UART, EVENTS, LOG };
enum {
	DONE,
	GOT_STATS,
	GOT_APPS,
	GOT_ANSWER,
	GOT_DENIED,
	GOT_UNAVAILABLE,
	GOT_INVALID,
	GOT_DEVICE,
	GOT_DESCRIPTOR
};
enum { REPLY, CALLED, EVENT };

/* Kinds of CBOR items. */
enum { UINT = 0, BYTES = 2, TEXT = 3, ARRAY = 4, MAP = 5, TAG = 6, SIMPLE = 7 };
enum { CBOR_FALSE = 20, CBOR_TRUE = 21 };

/* What fits the protocol of a device's own app manager: more are closed at once. */
#define MOST_FDS 4
#define MOST_FIELDS 8

/* --- Out --- */

struct out {
	uint8_t *bytes;
	size_t length, size;
	int over;
};

static void put_raw(struct out *out, const void *bytes, size_t length)
{
	if (length > out->size - out->length) {
		out->over = 1;
		return;
	}
	if (length > 0)
		memcpy(out->bytes + out->length, bytes, length);
	out->length += length;
}

static void put_head(struct out *out, unsigned kind, uint32_t value)
{
	uint8_t head[5];
	size_t length;

	if (value < 24) {
		head[0] = (uint8_t)(kind << 5 | value);
		length = 1;
	} else if (value <= 0xff) {
		head[0] = (uint8_t)(kind << 5 | 24);
		head[1] = (uint8_t)value;
		length = 2;
	} else if (value <= 0xffff) {
		head[0] = (uint8_t)(kind << 5 | 25);
		head[1] = (uint8_t)(value >> 8);
		head[2] = (uint8_t)value;
		length = 3;
	} else {
		head[0] = (uint8_t)(kind << 5 | 26);
		head[1] = (uint8_t)(value >> 24);
		head[2] = (uint8_t)(value >> 16);
		head[3] = (uint8_t)(value >> 8);
		head[4] = (uint8_t)value;
		length = 5;
	}
	put_raw(out, head, length);
}

static void put_blob(struct out *out, unsigned kind, const void *bytes, size_t length)
{
	/* Longer than a packet: its head would not hold the length either. */
	if (length > out->size) {
		out->over = 1;
		return;
	}
	put_head(out, kind, (uint32_t)length);
	put_raw(out, bytes, length);
}

static void put_text(struct out *out, const char *text)
{
	put_blob(out, TEXT, text, strlen(text));
}

/* Begins a request: {0: id, 1: [number, [fields…]]}. */
static struct out begin(struct nacre *os, uint32_t ask, uint32_t fields)
{
	struct out out = { .bytes = os->packet, .size = sizeof os->packet };

	put_head(&out, MAP, 2);
	put_head(&out, UINT, 0);
	put_head(&out, UINT, os->next_id);
	put_head(&out, UINT, 1);
	put_head(&out, ARRAY, 2);
	put_head(&out, UINT, ask);
	put_head(&out, ARRAY, fields);
	return out;
}

/* --- In --- */

struct in {
	const uint8_t *at, *end;
	int bad;
};

static size_t left(const struct in *in)
{
	return (size_t)(in->end - in->at);
}

/* The head of the next item; its kind, or -1. */
static int get_head(struct in *in, uint64_t *value)
{
	unsigned first, more;
	size_t length = 0;

	*value = 0;
	if (in->bad || left(in) == 0) {
		in->bad = 1;
		return -1;
	}
	first = *in->at++;
	more = first & 31;
	if (more < 24)
		*value = more;
	else if (more < 28)
		length = (size_t)1 << (more - 24);
	else
		in->bad = 1; /* of no length that is told: nobody here sends such */
	if (in->bad || left(in) < length) {
		in->bad = 1;
		return -1;
	}
	while (length-- > 0)
		*value = *value << 8 | *in->at++;
	return (int)(first >> 5);
}

static uint64_t get(struct in *in, int kind)
{
	uint64_t value;

	if (get_head(in, &value) != kind)
		in->bad = 1;
	return in->bad ? 0 : value;
}

static uint32_t get_u32(struct in *in)
{
	const uint64_t value = get(in, UINT);

	if (value > UINT32_MAX)
		in->bad = 1;
	return in->bad ? 0 : (uint32_t)value;
}

/* A text or byte string; where it begins, or NULL. */
static const uint8_t *get_blob(struct in *in, int kind, size_t *length)
{
	const uint64_t wanted = get(in, kind);
	const uint8_t *bytes = in->at;

	*length = 0;
	if (in->bad || wanted > left(in)) {
		in->bad = 1;
		return NULL;
	}
	*length = (size_t)wanted;
	in->at += *length;
	return bytes;
}

/* A text, cut to the buffer. */
static void get_text(struct in *in, char *buffer, size_t size)
{
	size_t length;
	const uint8_t *text = get_blob(in, TEXT, &length);

	if (length > size - 1)
		length = size - 1;
	if (length > 0)
		memcpy(buffer, text, length);
	buffer[length] = '\0';
}

/* Leaves out an item, with all in it: a newer OS may say more. */
static void skip(struct in *in)
{
	uint64_t items = 1, value;

	while (!in->bad && items > 0) {
		const int kind = get_head(in, &value);

		items--;
		/* Each item has a byte at least: this also keeps the sums small. */
		if ((kind == BYTES || kind == TEXT || kind == ARRAY || kind == MAP) && value > left(in))
			in->bad = 1;
		else if (kind == BYTES || kind == TEXT)
			in->at += value;
		else if (kind == ARRAY)
			items += value;
		else if (kind == MAP)
			items += 2 * value;
		else if (kind == TAG)
			items += 1;
		if (items > left(in))
			in->bad = 1;
	}
}

/* Whether the next item is one that stands for nothing (null, undefined), which is taken then. */
static int get_nothing(struct in *in)
{
	if (in->bad || left(in) == 0 || (*in->at != 0xf6 && *in->at != 0xf7))
		return 0;
	in->at++;
	return 1;
}

/* --- Errors --- */

static int fail(struct nacre *os, enum nacre_error error, const char *what, const char *text, size_t length)
{
	size_t at = strlen(what);

	if (at > sizeof os->words - 1)
		at = sizeof os->words - 1;
	memcpy(os->words, what, at);
	if (length > sizeof os->words - 1 - at)
		length = sizeof os->words - 1 - at;
	if (length > 0)
		memcpy(os->words + at, text, length);
	os->words[at + length] = '\0';
	return error;
}

static int failed(struct nacre *os, enum nacre_error error, const char *what)
{
	return fail(os, error, what, NULL, 0);
}

static int broken(struct nacre *os, const char *what)
{
	const char *why = strerror(errno);

	return fail(os, NACRE_CONNECTION, what, why, strlen(why));
}

static int unexpected(struct nacre *os)
{
	return failed(os, NACRE_UNEXPECTED, "the OS answered something else");
}

static int too_long(struct nacre *os)
{
	return failed(os, NACRE_TOO_LONG, "the message is too long");
}

const char *nacre_words(const struct nacre *os)
{
	return os->words;
}

/* --- Packets --- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until one of them is ready or it is `until`; how many are, or an error. A signal that is handled ends no wait. */
static int poll_until(struct nacre *os, struct pollfd *each, nfds_t count, int64_t until)
{
	for (;;) {
		const int64_t wait = until - now_ms();
		const int found = poll(each, count, wait < 0 ? 0 : wait > 1 << 30 ? 1 << 30 : (int)wait);

		if (found > 0 || (found == 0 && now_ms() >= until))
			return found;
		if (found < 0 && errno != EINTR)
			return broken(os, "wait for the OS: ");
	}
}

/* Takes the packet that has come; its length, or an error. A descriptor that came with it is left in `fd`. */
static int receive(struct nacre *os, int *fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(MOST_FDS * sizeof(int))];
	} control;
	struct iovec part = { .iov_base = os->packet, .iov_len = sizeof os->packet };
	struct msghdr message;
	struct cmsghdr *each;
	ssize_t length;

	memset(&message, 0, sizeof message);
	memset(&control, 0, sizeof control);
	message.msg_iov = &part;
	message.msg_iovlen = 1;
	message.msg_control = &control;
	message.msg_controllen = sizeof control;
	*fd = -1;
	length = recvmsg(os->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (length < 0)
		return broken(os, "talk to the OS: ");
	for (each = CMSG_FIRSTHDR(&message); each != NULL; each = CMSG_NXTHDR(&message, each)) {
		size_t at;

		if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS)
			continue;
		for (at = CMSG_LEN(0); at + sizeof(int) <= each->cmsg_len; at += sizeof(int)) {
			if (*fd >= 0)
				close(*fd);
			memcpy(fd, (const char *)each + at, sizeof(int));
		}
	}
	if (length > 0 && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return (int)length;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	if (length > 0)
		return unexpected(os);
	errno = ECONNRESET;
	return broken(os, "talk to the OS: ");
}

/* Keeps a call; the oldest makes room, its caller has waited longest and is about to give up. */
static void keep_call(struct nacre *os, struct in *in)
{
	struct nacre_call *call;
	const uint8_t *payload;
	size_t length;

	if (os->kept_count == NACRE_KEPT) {
		memmove(&os->kept[0], &os->kept[1], (NACRE_KEPT - 1) * sizeof os->kept[0]);
		os->kept_count--;
	}
	call = &os->kept[os->kept_count];
	call->number = get_u32(in);
	get_text(in, call->from, sizeof call->from);
	payload = get_blob(in, BYTES, &length);
	if (length > sizeof call->payload)
		in->bad = 1;
	if (in->bad)
		return;
	if (length > 0)
		memcpy(call->payload, payload, length);
	call->length = length;
	os->kept_count++;
}

/* Takes a message out of the packet. A call or an event is kept: 0. The reply to request `id`: 1, with `in` at its
 * outcome. One that comes too late is dropped: 0. */
static int take(struct nacre *os, int length, uint32_t id, struct in *in)
{
	uint64_t fields;
	uint32_t kind, event;

	*in = (struct in){ .at = os->packet, .end = os->packet + length };
	if (get(in, ARRAY) != 2)
		in->bad = 1;
	kind = get_u32(in);
	fields = get(in, ARRAY);
	if (kind == REPLY && fields >= 2) {
		if (get_u32(in) == id && !in->bad)
			return 1;
		skip(in);
	} else if (kind == CALLED && fields >= 3) {
		keep_call(os, in);
	} else if (kind == EVENT && fields >= 1) {
		event = get_u32(in);
		if (event > 1)
			in->bad = 1;
		else if (!in->bad)
			os->events |= 1u << event;
		if (os->events & 1)
			os->stopping = 1;
	} else {
		in->bad = 1;
	}
	return in->bad ? unexpected(os) : 0;
}

/* Sends a request and waits for its reply; NACRE_OK with `in` at the fields of the wanted outcome, or an error. */
static int request(struct nacre *os, const struct out *out, uint32_t wanted, struct in *in, int *fd)
{
	const int64_t until = now_ms() + os->patience_ms;
	const uint32_t id = os->next_id++;
	const char *what;
	const uint8_t *text;
	uint32_t outcome;
	size_t length;
	int error;

	if (out->over)
		return too_long(os);
	if (send(os->fd, out->bytes, out->length, MSG_NOSIGNAL) < 0)
		return broken(os, "talk to the OS: ");
	for (;;) {
		struct pollfd each = { .fd = os->fd, .events = POLLIN };
		int took, found = poll_until(os, &each, 1, until);

		if (found < 0)
			return found;
		if (found == 0)
			return failed(os, NACRE_SILENCE, "the OS does not answer");
		took = receive(os, fd);
		if (took > 0)
			took = take(os, took, id, in);
		if (took == 1)
			break;
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		if (took < 0)
			return took;
	}
	if (get(in, ARRAY) != 2)
		in->bad = 1;
	outcome = get_u32(in);
	get(in, ARRAY);
	if (!in->bad && outcome == wanted && (wanted == GOT_DESCRIPTOR) == (*fd >= 0))
		return NACRE_OK;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	switch (outcome) {
	case GOT_DENIED:
		error = NACRE_DENIED;
		what = "denied: ";
		break;
	case GOT_UNAVAILABLE:
		error = NACRE_UNAVAILABLE;
		what = "unavailable: ";
		break;
	case GOT_INVALID:
		error = NACRE_INVALID;
		what = "invalid: ";
		break;
	default:
		return unexpected(os);
	}
	text = get_blob(in, TEXT, &length);
	return in->bad ? unexpected(os) : fail(os, (enum nacre_error)error, what, (const char *)text, length);
}

/* The same where the reply is that it is done. */
static int done(struct nacre *os, const struct out *out)
{
	struct in in;
	int fd = -1;

	return request(os, out, DONE, &in, &fd);
}

/* The same where the reply is a descriptor. */
static int descriptor(struct nacre *os, const struct out *out)
{
	struct in in;
	int fd = -1;
	const int result = request(os, out, GOT_DESCRIPTOR, &in, &fd);

	return result < 0 ? result : fd;
}

/* --- The connection --- */

void nacre_over(struct nacre *os, int fd)
{
	memset(os, 0, sizeof *os);
	os->fd = fd;
	os->patience_ms = 10000;
	os->next_id = 1;
}

int nacre_open(struct nacre *os)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/nacre" };

	nacre_over(os, socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	if (os->fd >= 0 && connect(os->fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return NACRE_OK;
	broken(os, "connect to the OS at /run/nacre: ");
	nacre_close(os);
	return NACRE_CONNECTION;
}

void nacre_close(struct nacre *os)
{
	if (os->fd >= 0)
		close(os->fd);
	os->fd = -1;
}

/* --- Requests --- */

int nacre_stats(struct nacre *os, struct nacre_stats *stats)
{
	const struct out out = begin(os, STATS, 0);
	struct in in;
	unsigned seen = 0;
	uint64_t pairs;
	int fd = -1, result = request(os, &out, GOT_STATS, &in, &fd);

	if (result < 0)
		return result;
	memset(stats, 0, sizeof *stats);
	for (pairs = get(&in, MAP); pairs > 0 && !in.bad; pairs--) {
		const uint64_t key = get(&in, UINT);

		if (key < 5)
			seen |= 1u << key;
		switch (key) {
		case 0: stats->uptime_ms = get(&in, UINT); break;
		case 1: stats->cpu_busy_ms = get(&in, UINT); break;
		case 2: stats->cpu_total_ms = get(&in, UINT); break;
		case 3: stats->memory_total_kib = get_u32(&in); break;
		case 4: stats->memory_available_kib = get_u32(&in); break;
		default: skip(&in);
		}
	}
	return in.bad || seen != 31 ? unexpected(os) : NACRE_OK;
}

int nacre_device(struct nacre *os, struct nacre_device *device)
{
	const struct out out = begin(os, DEVICE, 0);
	const uint8_t *address;
	struct in in;
	unsigned seen = 0;
	uint64_t pairs, value;
	size_t length;
	int fd = -1, result = request(os, &out, GOT_DEVICE, &in, &fd);

	if (result < 0)
		return result;
	memset(device, 0, sizeof *device);
	for (pairs = get(&in, MAP); pairs > 0 && !in.bad; pairs--) {
		const uint64_t key = get(&in, UINT);

		if (key < 4)
			seen |= 1u << key;
		switch (key) {
		case 0: get_text(&in, device->image, sizeof device->image); break;
		case 1: get_text(&in, device->version, sizeof device->version); break;
		case 2: get_text(&in, device->board, sizeof device->board); break;
		case 3:
			if (get_head(&in, &value) != SIMPLE || (value != CBOR_FALSE && value != CBOR_TRUE))
				in.bad = 1;
			device->development = value == CBOR_TRUE;
			break;
		case 4:
			if (get_nothing(&in))
				break;
			address = get_blob(&in, BYTES, &length);
			if (in.bad || length != sizeof device->address) {
				in.bad = 1;
				break;
			}
			memcpy(device->address, address, length);
			device->has_address = 1;
			break;
		default: skip(&in);
		}
	}
	return in.bad || seen != 15 ? unexpected(os) : NACRE_OK;
}

static void get_app(struct in *in, struct nacre_app *app)
{
	unsigned seen = 0;
	uint64_t pairs;

	memset(app, 0, sizeof *app);
	for (pairs = get(in, MAP); pairs > 0 && !in->bad; pairs--) {
		const uint64_t key = get(in, UINT);

		if (key < 6)
			seen |= 1u << key;
		switch (key) {
		case 0: get_text(in, app->app, sizeof app->app); break;
		case 1: get_text(in, app->version, sizeof app->version); break;
		case 2: app->state = get_u32(in); break;
		case 3: app->restarts = get_u32(in); break;
		case 4: app->memory_kib = get_u32(in); break;
		case 5: app->since_ms = get(in, UINT); break;
		case 6:
			if (!get_nothing(in))
				get_text(in, app->last_end, sizeof app->last_end);
			break;
		default: skip(in);
		}
	}
	if (seen != 63)
		in->bad = 1;
}

int nacre_apps(struct nacre *os, struct nacre_app *apps, size_t most)
{
	const struct out out = begin(os, APPS_STATUS, 0);
	struct in in;
	uint64_t count, at;
	int fd = -1, result = request(os, &out, GOT_APPS, &in, &fd);

	if (result < 0)
		return result;
	count = get(&in, ARRAY);
	if (in.bad || count > left(&in))
		return unexpected(os);
	if (count > most)
		return too_long(os);
	for (at = 0; at < count && !in.bad; at++)
		get_app(&in, &apps[at]);
	return in.bad ? unexpected(os) : (int)count;
}

int nacre_call(struct nacre *os, const char *to, const void *payload, size_t length, void *answer, size_t size)
{
	struct out out = begin(os, CALL, 2);
	const uint8_t *bytes;
	struct in in;
	int fd = -1, result;

	if (length > NACRE_PAYLOAD)
		return too_long(os);
	put_text(&out, to);
	put_blob(&out, BYTES, payload, length);
	result = request(os, &out, GOT_ANSWER, &in, &fd);
	if (result < 0)
		return result;
	bytes = get_blob(&in, BYTES, &length);
	if (in.bad)
		return unexpected(os);
	if (length > size)
		return too_long(os);
	if (length > 0)
		memcpy(answer, bytes, length);
	return (int)length;
}

int nacre_answer(struct nacre *os, const struct nacre_call *call, const void *payload, size_t length)
{
	struct out out = begin(os, ANSWER, 2);

	if (length > NACRE_PAYLOAD)
		return too_long(os);
	put_head(&out, UINT, call->number);
	put_blob(&out, BYTES, payload, length);
	return done(os, &out);
}

int nacre_events(struct nacre *os)
{
	const struct out out = begin(os, EVENTS, 0);

	return done(os, &out);
}

int nacre_heartbeat(struct nacre *os)
{
	const struct out out = begin(os, HEARTBEAT, 0);

	return done(os, &out);
}

int nacre_beat_every(struct nacre *os, int milliseconds)
{
	const int result = nacre_heartbeat(os);

	if (result < 0)
		return result;
	os->beat_every_ms = milliseconds > 0 ? milliseconds : 1;
	os->next_beat_ms = now_ms() + os->beat_every_ms;
	return NACRE_OK;
}

int nacre_log(struct nacre *os, enum nacre_level level, const char *text, ...)
{
	const char *keys[MOST_FIELDS], *values[MOST_FIELDS];
	struct out out = begin(os, LOG, 2);
	uint32_t count = 0, at;
	va_list fields;

	va_start(fields, text);
	for (;;) {
		const char *key = va_arg(fields, const char *);

		if (key == NULL || count == MOST_FIELDS) {
			out.over |= key != NULL;
			break;
		}
		keys[count] = key;
		values[count] = va_arg(fields, const char *);
		if (values[count++] == NULL) {
			out.over = 1;
			break;
		}
	}
	va_end(fields);
	if (out.over)
		return failed(os, NACRE_INVALID, "invalid: a log line has at most 8 fields, each a key and a value");
	put_text(&out, text);
	put_head(&out, ARRAY, 2);
	put_head(&out, UINT, (uint32_t)level);
	put_head(&out, ARRAY, count);
	for (at = 0; at < count; at++) {
		put_head(&out, ARRAY, 2);
		put_text(&out, keys[at]);
		put_text(&out, values[at]);
	}
	return done(os, &out);
}

int nacre_line(struct nacre *os, const char *name, enum nacre_mode mode)
{
	struct out out = begin(os, LINE, 2);

	put_text(&out, name);
	put_head(&out, UINT, (uint32_t)mode);
	return descriptor(os, &out);
}

int nacre_uart(struct nacre *os, const char *name, uint32_t baud, enum nacre_parity parity)
{
	struct out out = begin(os, UART, 3);

	put_text(&out, name);
	put_head(&out, UINT, baud);
	put_head(&out, UINT, (uint32_t)parity);
	return descriptor(os, &out);
}

/* --- Waiting --- */

/* Takes the packet that has come and keeps what it brings. No reply is waited for: 0 is no request's number. */
static int take_one(struct nacre *os)
{
	struct in in;
	int fd, took = receive(os, &fd);

	if (took > 0)
		took = take(os, took, 0, &in);
	if (fd >= 0)
		close(fd);
	return took < 0 ? took : NACRE_OK;
}

int nacre_stop_requested(struct nacre *os)
{
	while (!os->stopping) {
		struct pollfd each = { .fd = os->fd, .events = POLLIN };
		int found = poll_until(os, &each, 1, now_ms());

		if (found > 0)
			found = take_one(os) < 0 ? NACRE_CONNECTION : 1;
		if (found <= 0)
			return found;
	}
	return 1;
}

int nacre_wait(struct nacre *os, const int *others, size_t count, int milliseconds)
{
	const int64_t until = milliseconds < 0 ? INT64_MAX : now_ms() + milliseconds;
	struct pollfd each[NACRE_OTHERS + 1];
	size_t at;

	if (count > NACRE_OTHERS)
		return too_long(os);
	for (;;) {
		const int beats = os->beat_every_ms > 0;
		const int64_t next = beats && os->next_beat_ms < until ? os->next_beat_ms : until;
		int found;

		if (beats && os->next_beat_ms <= now_ms()) {
			found = nacre_beat_every(os, (int)os->beat_every_ms);
			if (found < 0)
				return found;
			continue;
		}
		if (os->events != 0) {
			const int first = os->events & 1 ? 0 : 1;

			os->events &= ~(1u << first);
			return NACRE_SHUTDOWN + first;
		}
		if (os->kept_count > 0) {
			os->call = os->kept[0];
			os->kept_count--;
			memmove(&os->kept[0], &os->kept[1], os->kept_count * sizeof os->kept[0]);
			return NACRE_CALLED;
		}
		each[0] = (struct pollfd){ .fd = os->fd, .events = POLLIN };
		for (at = 0; at < count; at++)
			each[at + 1] = (struct pollfd){ .fd = others[at], .events = POLLIN };
		found = poll_until(os, each, count + 1, next);
		if (found < 0)
			return found;
		if (found == 0 && now_ms() >= until)
			return NACRE_TIMEOUT;
		if (each[0].revents != 0) {
			found = take_one(os);
			if (found < 0)
				return found;
			continue;
		}
		for (at = 0; at < count; at++)
			if (each[at + 1].revents != 0)
				return NACRE_READY + (int)at;
	}
}

/* --- Lines: linux/gpio.h, version 2 of the interface --- */

struct line_values {
	uint64_t bits, mask;
};

#define GET_VALUES 0xc010b40eu
#define SET_VALUES 0xc010b40fu
#define EVENT_BYTES 48
#define RISING 1

int nacre_line_value(int line)
{
	struct line_values values = { .mask = 1 };

	return ioctl(line, GET_VALUES, &values) < 0 ? -1 : (int)(values.bits & 1);
}

int nacre_line_set(int line, int value)
{
	struct line_values values = { .bits = value != 0, .mask = 1 };

	return ioctl(line, SET_VALUES, &values) < 0 ? -1 : 0;
}

int nacre_line_edge(int line, int milliseconds)
{
	struct pollfd each = { .fd = line, .events = POLLIN };
	uint8_t event[EVENT_BYTES];
	const int found = poll(&each, 1, milliseconds);
	uint32_t id;

	if (found == 0)
		errno = ETIMEDOUT;
	if (found <= 0)
		return -1;
	if (read(line, event, sizeof event) != (ssize_t)sizeof event) {
		errno = EIO;
		return -1;
	}
	memcpy(&id, event + 8, sizeof id);
	return id == RISING;
}

/* --- Storage --- */

static int not_saved(struct nacre *os)
{
	const char *why = strerror(errno);

	if (errno == EACCES || errno == EROFS || errno == ENOENT || errno == EPERM)
		return failed(os, NACRE_DENIED, "denied: save in /data \xe2\x80\x94 set storage.data: 64KiB in nacre.yaml");
	return fail(os, NACRE_UNAVAILABLE, "unavailable: save in /data: ", why, strlen(why));
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		const ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		bytes += written;
		length -= (size_t)written;
	}
	return fsync(fd);
}

int nacre_save(struct nacre *os, const char *name, const void *content, size_t length)
{
	char fresh[NACRE_NAME + sizeof NACRE_DATA + 8], old[NACRE_NAME + sizeof NACRE_DATA + 8];
	int fd, folder, result = NACRE_OK;

	if (name[0] == '\0' || strlen(name) >= NACRE_NAME || strchr(name, '/') != NULL || strcmp(name, ".") == 0
	    || strcmp(name, "..") == 0)
		return failed(os, NACRE_INVALID, "invalid: it is not the name of a file");
	snprintf(fresh, sizeof fresh, NACRE_DATA "/.%s.new", name);
	snprintf(old, sizeof old, NACRE_DATA "/%s", name);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return not_saved(os);
	if (write_all(fd, content, length) < 0 || rename(fresh, old) < 0) {
		result = not_saved(os);
		unlink(fresh);
	}
	close(fd);
	if (result < 0)
		return result;
	folder = open(NACRE_DATA, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return not_saved(os);
	if (fsync(folder) < 0)
		result = not_saved(os);
	close(folder);
	return result;
}
