#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../lib/job/dialtcp.h"

static int
listener(char port[6])
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	snprintf(port, 6, "%u", (unsigned)ntohs(at.sin_port));
	return fd;
}

/* As when the machine is so busy that we come to look after the deadline. */
START_TEST(who_answered_is_reached_however_late_we_look)
{
	char port[6];
	int server = listener(port), fd = -1;
	struct err e = {0};

	ck_assert_msg(dialtcp(&fd, "127.0.0.1", port, 0, &e) == ERR_NONE, "%s",
	    e.text);
	close(fd);
	close(server);
}
END_TEST

START_TEST(where_nobody_listens_nothing_is_reached)
{
	char port[6];
	int fd = -1;
	struct err e = {0};

	close(listener(port));
	ck_assert_int_ne(dialtcp(&fd, "127.0.0.1", port, 0, &e), ERR_NONE);
	ck_assert_int_eq(fd, -1);
}
END_TEST

Suite *suite_job_dialtcp(void);

Suite *
suite_job_dialtcp(void)
{
	Suite *s = suite_create("job/dialtcp");
	TCase *t = tcase_create("dialtcp");

	tcase_add_test(t, who_answered_is_reached_however_late_we_look);
	tcase_add_test(t, where_nobody_listens_nothing_is_reached);
	suite_add_tcase(s, t);
	return s;
}
