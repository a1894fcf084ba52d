/* Two functions of the C library, as the kernel's selftests count on them. They are linked in before the library. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* seccomp_bpf.c looks for this system call; the library uses clock_nanosleep(2) for it since 2.31. */
int nanosleep(const struct timespec *request, struct timespec *remain)
{
	return syscall(SYS_nanosleep, request, remain);
}

static int bring_up_loopback(void)
{
	const cap_value_t admin = CAP_NET_ADMIN;
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	cap_t sets = cap_get_proc();
	int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!sets || cap_get_ambient(admin) != 1)
		return 1;
	cap_set_flag(sets, CAP_EFFECTIVE, 1, &admin, CAP_SET);
	return cap_set_proc(sets) || ioctl(socket_fd, SIOCSIFFLAGS, &request);
}

/*
 * The one command that they give to a shell, without a shell: the image under test has none. netdevice(7):
 * SIOCSIFFLAGS needs CAP_NET_ADMIN, which a program that is executed has from the ambient set.
 */
int system(const char *command)
{
	int status;
	pid_t child;

	if (!command || strcmp(command, "ip link set dev lo up")) {
		errno = ENOSYS;
		return -1;
	}
	/* A process of its own, so that the capability goes with it. */
	child = fork();
	if (child == 0)
		_exit(bring_up_loopback());
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	return status;
}
