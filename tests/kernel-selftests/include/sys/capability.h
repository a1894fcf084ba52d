/*
 * What the kernel's selftests use of libcap, over the system calls: one package less for each processor.
 * capabilities(7), capget(2), prctl(2). Errors are as libcap's: -1 or NULL, and errno.
 */
#pragma once

#include <errno.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int cap_value_t;
typedef enum { CAP_EFFECTIVE, CAP_PERMITTED, CAP_INHERITABLE } cap_flag_t;
typedef enum { CAP_CLEAR, CAP_SET } cap_flag_value_t;

/* The three sets of a process; version 3 has two words of each. */
struct capability_sets {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct words[2];
};
typedef struct capability_sets *cap_t;

static inline __u32 *cap_word(cap_t sets, cap_flag_t flag, cap_value_t value)
{
	struct __user_cap_data_struct *word = &sets->words[value / 32];

	switch (flag) {
	case CAP_EFFECTIVE:
		return &word->effective;
	case CAP_PERMITTED:
		return &word->permitted;
	default:
		return &word->inheritable;
	}
}

static inline cap_t cap_get_proc(void)
{
	cap_t sets = calloc(1, sizeof(*sets));

	if (!sets)
		return NULL;
	sets->header.version = _LINUX_CAPABILITY_VERSION_3;
	/*
	 * Who may not even ask has none. In the sandbox it is so; with an error here, most tests would end before
	 * they try what they are for.
	 */
	if (syscall(SYS_capget, &sets->header, sets->words) && errno != EPERM) {
		free(sets);
		return NULL;
	}
	return sets;
}

static inline int cap_set_proc(cap_t sets)
{
	return syscall(SYS_capset, &sets->header, sets->words);
}

static inline int cap_free(void *sets)
{
	free(sets);
	return 0;
}

static inline int cap_clear(cap_t sets)
{
	for (int word = 0; word < 2; word++)
		sets->words[word] = (struct __user_cap_data_struct){};
	return 0;
}

static inline int cap_set_flag(cap_t sets, cap_flag_t flag, int count, const cap_value_t *values,
			       cap_flag_value_t to)
{
	for (int i = 0; i < count; i++) {
		__u32 *word = cap_word(sets, flag, values[i]);
		__u32 bit = 1u << (values[i] % 32);

		*word = to == CAP_SET ? *word | bit : *word & ~bit;
	}
	return 0;
}

static inline int cap_get_flag(cap_t sets, cap_value_t value, cap_flag_t flag, cap_flag_value_t *is)
{
	*is = *cap_word(sets, flag, value) & (1u << (value % 32)) ? CAP_SET : CAP_CLEAR;
	return 0;
}

static inline unsigned int cap_get_secbits(void)
{
	return prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
}

static inline int cap_set_secbits(unsigned int bits)
{
	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0);
}

static inline int cap_get_ambient(cap_value_t value)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, value, 0, 0);
}

static inline int cap_set_ambient(cap_value_t value, cap_flag_value_t to)
{
	int operation = to == CAP_SET ? PR_CAP_AMBIENT_RAISE : PR_CAP_AMBIENT_LOWER;

	return prctl(PR_CAP_AMBIENT, operation, value, 0, 0);
}
