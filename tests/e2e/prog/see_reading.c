/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into ctrace: when it reads the first bytes of a trace, says on stderr with which
 * rights, and whether it could make the file that OUTSIDE names, or start a program.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say_rights(void)
{
	static const char *const wanted[] = { "Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:",
		"NoNewPrivs:" };
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];

	while (status && fgets(line, sizeof(line), status))
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
			if (!strncmp(line, wanted[i], strlen(wanted[i])))
				fputs(line, stderr);
	if (status)
		fclose(status);
}

static void try_more(void)
{
	int fd = open(getenv("OUTSIDE"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), status = 0;
	pid_t pid;

	fprintf(stderr, "Made: %s\n", fd < 0 ? strerrorname_np(errno) : "yes");
	pid = fork();
	if (!pid) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(9);
	}
	waitpid(pid, &status, 0);
	fprintf(stderr, "Started: %s\n", status ? "no" : "yes");
}

ssize_t pread(int fd, void *to, size_t size, off_t at)
{
	static int said;

	if (!said++ && getenv("OUTSIDE")) {
		say_rights();
		try_more();
	}
	return syscall(SYS_pread64, fd, to, size, at);
}

ssize_t pread64(int fd, void *to, size_t size, off_t at) __attribute__((alias("pread")));
