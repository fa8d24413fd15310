/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/base/rights.c: who called, and files opened with that user's rights.  What changes rights is
 * tested where the tests run as root, and says that it is skipped elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/rights.h"

#define SOMEBODY 54321 /* an id that no user database is likely to know */

struct place {
	char dir[64];
	char file[96];
	char link[96];
};

static int make_place(void **state)
{
	struct place *p = ct_alloc(sizeof(*p));

	strcpy(p->dir, "/tmp/ct_rights.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->file, sizeof(p->file), "%s/file", p->dir);
	snprintf(p->link, sizeof(p->link), "%s/link", p->dir);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;

	unlink(p->file);
	unlink(p->link);
	rmdir(p->dir);
	free(p);
	return 0;
}

static void as_sudo(const char *uid, const char *gid)
{
	setenv("SUDO_UID", uid, 1);
	if (gid)
		setenv("SUDO_GID", gid, 1);
	else
		unsetenv("SUDO_GID");
}

static void need_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("skipped: needs root\n");
	skip();
}

static void somebody(struct ct_user *user)
{
	need_root();
	as_sudo("54321", "54322");
	assert_int_equal(ct_rights__caller(user), 0);
}

static void test_without_sudo_it_is_the_real_user(void **state)
{
	struct ct_user user;

	(void)state;
	assert_int_equal(ct_rights__caller(&user), 0);
	assert_int_equal(user.uid, getuid());
	assert_int_equal(user.gid, getgid());
	assert_false(user.differs);
	assert_non_null(user.name);
	assert_true(user.group_cnt >= 1);
	ct_rights__clear(&user);
	assert_null(user.name);
}

static void test_sudo_variables_mean_nothing_without_root(void **state)
{
	struct ct_user user;

	(void)state;
	if (getuid() == 0) {
		print_message("skipped: is root\n");
		skip();
	}
	as_sudo("54321", "54322");
	assert_int_equal(ct_rights__caller(&user), 0);
	assert_int_equal(user.uid, getuid());
	assert_false(user.differs);
	ct_rights__clear(&user);
}

static void test_sudo_names_the_caller(void **state)
{
	struct ct_user user;

	(void)state;
	somebody(&user);
	assert_int_equal(user.uid, 54321);
	assert_int_equal(user.gid, 54322);
	assert_true(user.differs);
	assert_string_equal(user.name, "");
	assert_int_equal(user.group_cnt, 1);
	assert_int_equal(user.groups[0], 54322);
	ct_rights__clear(&user);
}

static void test_root_under_sudo_stays_root(void **state)
{
	struct ct_user user;

	(void)state;
	need_root();
	as_sudo("0", "0");
	assert_int_equal(ct_rights__caller(&user), 0);
	assert_int_equal(user.uid, 0);
	assert_false(user.differs);
	assert_string_equal(user.name, "root");
	ct_rights__clear(&user);
}

static void test_bad_sudo_variables_are_refused(void **state)
{
	static const struct {
		const char *uid, *gid;
	} bad[] = {
		{ "", "1" },
		{ "-1", "1" },
		{ "1x", "1" },
		{ " 1", "1" },
		{ "4294967295", "1" },
		{ "99999999999999999999", "1" },
		{ "1", NULL },
		{ "1", "users" },
	};
	struct ct_user user;

	(void)state;
	need_root();
	for (size_t i = 0; i < CT_COUNT(bad); i++) {
		as_sudo(bad[i].uid, bad[i].gid);
		assert_int_equal(ct_rights__caller(&user), -EINVAL);
		assert_null(user.name);
		assert_int_equal(user.group_cnt, 0);
	}
}

static void test_a_new_file_belongs_to_the_caller(void **state)
{
	struct place *p = *state;
	struct ct_user user;
	struct stat st;
	int fd;

	somebody(&user);
	assert_int_equal(chown(p->dir, SOMEBODY, -1), 0);
	fd = ct_rights__open_as(&user, p->file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_uid, 54321);
	assert_int_equal(st.st_gid, 54322);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	ct_rights__clear(&user);
}

static void test_what_the_caller_may_not_do_is_refused(void **state)
{
	struct place *p = *state;
	struct ct_user user;

	somebody(&user);
	/* the directory is root's, mode 0700: root could, the caller cannot */
	assert_int_equal(ct_rights__open_as(&user, p->file, O_WRONLY | O_CREAT, 0600), -EACCES);
	close(open(p->file, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(ct_rights__rename_as(&user, p->file, p->link), -EACCES);
	assert_int_equal(ct_rights__unlink_as(&user, p->file), -EACCES);
	ct_rights__clear(&user);
}

static void test_rights_come_back(void **state)
{
	struct place *p = *state;
	gid_t groups[2] = { 0, 54399 }, now[4];
	struct ct_user user;
	int fd;

	somebody(&user);
	assert_int_equal(setgroups(2, groups), 0);
	assert_int_equal(ct_rights__open_as(&user, p->file, O_WRONLY | O_CREAT, 0600), -EACCES);
	assert_int_equal(setfsuid(-1), 0);
	assert_int_equal(setfsgid(-1), 0);
	assert_int_equal(getgroups(4, now), 2);
	assert_int_equal(now[1], 54399);
	/* and with them the power to do what the caller may not */
	fd = open(p->file, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, 1, 1), 0);
	close(fd);
	ct_rights__clear(&user);
}

static void test_a_group_of_root_is_not_used(void **state)
{
	struct place *p = *state;
	struct ct_user user;

	somebody(&user);
	/* writable by root's group only */
	assert_int_equal(chmod(p->dir, 0570), 0);
	assert_int_equal(ct_rights__open_as(&user, p->file, O_WRONLY | O_CREAT, 0600), -EACCES);
	ct_rights__clear(&user);
}

static void test_a_planted_link_is_refused(void **state)
{
	struct place *p = *state;
	struct ct_user user;

	assert_int_equal(ct_rights__caller(&user), 0);
	close(open(p->file, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(symlink(p->file, p->link), 0);
	assert_int_equal(ct_rights__open_as(&user, p->link, O_WRONLY | O_CREAT, 0600), -ELOOP);
	ct_rights__clear(&user);
}

static void test_errors_are_negative_errno(void **state)
{
	struct place *p = *state;
	struct ct_user user;

	assert_int_equal(ct_rights__caller(&user), 0);
	assert_int_equal(ct_rights__open_as(&user, p->file, O_RDONLY, 0), -ENOENT);
	assert_int_equal(ct_rights__unlink_as(&user, p->file), -ENOENT);
	assert_int_equal(ct_rights__rename_as(&user, p->file, p->link), -ENOENT);
	close(open(p->file, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(ct_rights__rename_as(&user, p->file, p->link), 0);
	assert_int_equal(access(p->link, F_OK), 0);
	assert_int_equal(ct_rights__unlink_as(&user, p->link), 0);
	ct_rights__clear(&user);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_without_sudo_it_is_the_real_user),
		TEST(test_sudo_variables_mean_nothing_without_root),
		TEST(test_sudo_names_the_caller),
		TEST(test_root_under_sudo_stays_root),
		TEST(test_bad_sudo_variables_are_refused),
		TEST(test_a_new_file_belongs_to_the_caller),
		TEST(test_what_the_caller_may_not_do_is_refused),
		TEST(test_rights_come_back),
		TEST(test_a_group_of_root_is_not_used),
		TEST(test_a_planted_link_is_refused),
		TEST(test_errors_are_negative_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
