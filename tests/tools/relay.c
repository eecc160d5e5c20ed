/*
 * relay CONTROL WAY...: a link between two ends, to be cut, slowed and delayed.
 * relay -t CONTROL COMMAND...: tells it.
 *
 * A WAY is END,LISTEN,TARGET[,SOURCE]: who is at END (0 or 1) of the link and
 * connects to LISTEN is put through to TARGET, coming from SOURCE.  LISTEN and
 * TARGET are [NAMESPACE@]ADDRESS:PORT, NAMESPACE a file as /proc/PID/ns/net.
 *
 *	rate BYTES	a second in each direction, 0: as fast as it goes
 *	delay US	from end to end, each way
 *	freeze		nothing is taken, nothing delivered; nothing is refused
 *	reset		every connection is reset, new ones are refused
 *	drop		every connection is reset, new ones are not refused
 *	mend		after freeze and reset
 *	show		STATE rate N delay N carried N back N open N lost N
 *	wait BYTES	answers when so many more have been carried, both ways
 *	at BYTES COMMAND  carries out COMMAND when so many more have been
 *
 * What is carried is counted at delivery.  The rate is taken at the entry, so
 * what is inside is at most rate times delay, and 64 KiB a connection that its
 * receiver does not read; without a rate at most 16 MiB.  Outside of it are the
 * buffers of the kernel, of BUFFER_BYTES on either side.
 *
 * It is a relay of TCP connections, not of packets: each side has a connection
 * of its own, with no way to itself.  So window sizes and loss are not seen as
 * a long path shows them; what a program does with a long path is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S     INT64_C(1000000000)
#define GULP_NS      (2 * 1000 * 1000)
#define LATE_NS      (20 * 1000 * 1000)
#define BLOCK_BYTES  ((size_t)64 << 10)
#define LEAST_BYTES  ((uint64_t)64 << 10)
#define MOST_BYTES   ((uint64_t)16 << 20)
#define BUFFER_BYTES (256 << 10)
#define WAYS_MAX     16
#define CONNS_MAX    512
#define CLIENTS_MAX  16
#define LINE_MAX_    256

struct place {
	int ns; /* -1: where we are */
	struct sockaddr_in at;
};

struct way {
	int end;
	struct place listen, target;
	struct in_addr source;
	int fd; /* -1 while refused */
};

/* What was taken at one moment: it lies in a pipe, and nobody copies it. */
struct block {
	struct block *next;
	int64_t due_ns;
	size_t len_bytes;
	int pipe[2];
};

/* One direction of a connection. */
struct flow {
	struct block *first, **last;
	uint64_t held_bytes;
	bool ended; /* nothing more will be read */
	bool shut;  /* and the other side knows */
};

struct conn {
	int fd[2];           /* of end 0 and of end 1; -1: none */
	int opening;         /* the end that is being connected to; -1: none */
	struct flow flow[2]; /* flow[i] comes from end i */
};

struct client {
	int fd;
	bool waits;
	uint64_t until_bytes;
	size_t len_bytes;
	char line[LINE_MAX_];
};

enum state { UP, FROZEN, RESET };

static struct link {
	enum state state;
	uint64_t rate_bytes, delay_ns;
	int64_t free_ns[2]; /* from then on a direction takes bytes again */
	uint64_t carried_bytes[2], lost_bytes;
	bool armed;
	uint64_t at_bytes;
	char at_line[LINE_MAX_];
	struct way ways[WAYS_MAX];
	size_t ways_count;
	struct conn conns[CONNS_MAX];
	size_t conns_count, turn;
	struct client clients[CLIENTS_MAX];
	struct block *spare; /* with empty pipes */
	int here;            /* the namespace we began in */
} l;

static void
die(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static uint64_t
carried(void)
{
	return l.carried_bytes[0] + l.carried_bytes[1];
}

/* --- sockets ------------------------------------------------------------------- */

static int
new_socket(const struct place *p)
{
	int fd, size = BUFFER_BYTES, one = 1;

	if (p->ns >= 0 && setns(p->ns, CLONE_NEWNET) != 0)
		die("setns");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->ns >= 0 && setns(l.here, CLONE_NEWNET) != 0)
		die("setns back");
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void
way_open(struct way *w)
{
	if (w->fd >= 0)
		return;
	w->fd = new_socket(&w->listen);
	if (bind(w->fd, (const struct sockaddr *)&w->listen.at,
		sizeof(w->listen.at)) != 0)
		die("bind");
	if (listen(w->fd, 64) != 0)
		die("listen");
}

static void
way_close(struct way *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

static void
reset_socket(int *fd)
{
	struct linger at_once = {1, 0};

	if (*fd < 0)
		return;
	setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(*fd);
	*fd = -1;
}

/* --- connections --------------------------------------------------------------- */

/* An empty one; NULL: there is no more of what it takes. */
static struct block *
block_new(void)
{
	struct block *b = l.spare;

	if (b != NULL) {
		l.spare = b->next;
		return b;
	}
	b = malloc(sizeof(*b));
	if (b != NULL && pipe2(b->pipe, O_NONBLOCK | O_CLOEXEC) == 0)
		return b;
	free(b);
	return NULL;
}

static void
block_spare(struct block *b)
{
	b->next = l.spare;
	l.spare = b;
}

static void
flow_drop(struct flow *f)
{
	while (f->first != NULL) {
		struct block *b = f->first;

		l.lost_bytes += b->len_bytes;
		f->first = b->next;
		close(b->pipe[0]);
		close(b->pipe[1]);
		free(b);
	}
	f->last = &f->first;
	f->held_bytes = 0;
}

/* The last one takes its place. */
static void
conn_free(struct conn *c)
{
	struct conn *last = &l.conns[l.conns_count - 1];

	for (int i = 0; i < 2; i++) {
		flow_drop(&c->flow[i]);
		if (c->fd[i] >= 0)
			close(c->fd[i]);
	}
	if (c != last) {
		*c = *last;
		for (int i = 0; i < 2; i++)
			if (c->flow[i].first == NULL)
				c->flow[i].last = &c->flow[i].first;
	}
	l.conns_count--;
}

static void
conn_reset(struct conn *c)
{
	reset_socket(&c->fd[0]);
	reset_socket(&c->fd[1]);
	conn_free(c);
}

static void
reset_all(void)
{
	while (l.conns_count > 0)
		conn_reset(&l.conns[l.conns_count - 1]);
}

static void
way_accept(struct way *w)
{
	struct sockaddr_in source = {.sin_family = AF_INET,
	    .sin_addr = w->source};
	struct conn *c = &l.conns[l.conns_count];
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int one = 1, other = 1 - w->end;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*c = (struct conn){.fd = {-1, -1}, .opening = other};
	for (int i = 0; i < 2; i++)
		c->flow[i].last = &c->flow[i].first;
	c->fd[w->end] = fd;
	c->fd[other] = new_socket(&w->target);
	l.conns_count++;
	if ((w->source.s_addr != 0 &&
		bind(c->fd[other], (const struct sockaddr *)&source,
		    sizeof(source)) != 0) ||
	    (connect(c->fd[other], (const struct sockaddr *)&w->target.at,
		 sizeof(w->target.at)) != 0 &&
		errno != EINPROGRESS))
		conn_reset(c);
}

/* How much may be inside of one direction of a connection. */
static uint64_t
room_bytes(void)
{
	double inside = (double)l.rate_bytes * (double)l.delay_ns / 1e9;

	if (l.rate_bytes == 0)
		return l.delay_ns == 0 ? 4 * LEAST_BYTES : MOST_BYTES;
	return inside + (double)LEAST_BYTES > (double)MOST_BYTES
	    ? MOST_BYTES
	    : (uint64_t)inside + LEAST_BYTES;
}

/* At most what the link carries in GULP_NS, at least a packet. */
static size_t
gulp_bytes(void)
{
	uint64_t n = l.rate_bytes / (NS_PER_S / GULP_NS);

	if (l.rate_bytes == 0 || n > BLOCK_BYTES)
		return BLOCK_BYTES;
	return n < 1448 ? 1448 : (size_t)n;
}

static bool
may_take(const struct conn *c, int from, int64_t now)
{
	const struct flow *f = &c->flow[from];

	return c->opening < 0 && !f->ended && f->held_bytes < room_bytes() &&
	    l.free_ns[from] <= now;
}

/* A link is never late: what it would have carried before we were woken, it may. */
static void
pay(int direction, size_t n, int64_t now)
{
	int64_t *free_ns = &l.free_ns[direction];

	if (l.rate_bytes == 0)
		return;
	if (*free_ns < now - LATE_NS)
		*free_ns = now - LATE_NS;
	*free_ns += (int64_t)((double)n * 1e9 / (double)l.rate_bytes);
}

/* False when the connection is broken. */
static bool
take(struct conn *c, int from, int64_t now)
{
	struct flow *f = &c->flow[from];
	struct block *b = block_new();
	ssize_t n;

	if (b == NULL)
		return true; /* until another is delivered */
	n = splice(c->fd[from], NULL, b->pipe[1], NULL, gulp_bytes(),
	    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n <= 0) {
		block_spare(b);
		f->ended = n == 0;
		return n == 0 || errno == EAGAIN || errno == EINTR;
	}
	b->next = NULL;
	b->due_ns = now + (int64_t)l.delay_ns;
	b->len_bytes = (size_t)n;
	*f->last = b;
	f->last = &b->next;
	f->held_bytes += (size_t)n;
	pay(from, (size_t)n, now);
	return true;
}

static bool
deliver(struct conn *c, int from, int64_t now)
{
	struct flow *f = &c->flow[from];
	int to = c->fd[1 - from];

	while (f->first != NULL && f->first->due_ns <= now) {
		struct block *b = f->first;
		ssize_t n = splice(b->pipe[0], NULL, to, NULL, b->len_bytes,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR);
		b->len_bytes -= (size_t)n;
		f->held_bytes -= (size_t)n;
		l.carried_bytes[from] += (size_t)n;
		if (b->len_bytes > 0)
			return true;
		f->first = b->next;
		if (f->first == NULL)
			f->last = &f->first;
		block_spare(b);
	}
	if (f->first == NULL && f->ended && !f->shut) {
		shutdown(to, SHUT_WR);
		f->shut = true;
	}
	return true;
}

static bool
opened(struct conn *c)
{
	int num = 0;
	socklen_t len = sizeof(num);

	getsockopt(c->fd[c->opening], SOL_SOCKET, SO_ERROR, &num, &len);
	c->opening = -1;
	return num == 0;
}

/* --- commands ------------------------------------------------------------------ */

static void
answer(struct client *k, const char *text)
{
	(void)!send(k->fd, text, strlen(text), MSG_NOSIGNAL);
	close(k->fd);
	*k = (struct client){.fd = -1};
}

static void
become(enum state state)
{
	if (state == RESET)
		reset_all();
	l.state = state;
	for (size_t i = 0; i < l.ways_count; i++) {
		if (state == RESET)
			way_close(&l.ways[i]);
		else
			way_open(&l.ways[i]);
	}
}

static void
show(char *out, size_t size)
{
	static const char *const names[] = {"up", "frozen", "reset"};

	snprintf(out, size,
	    "%s rate %ju delay %ju carried %ju back %ju open %zu lost %ju\n",
	    names[l.state], (uintmax_t)l.rate_bytes,
	    (uintmax_t)(l.delay_ns / 1000), (uintmax_t)l.carried_bytes[0],
	    (uintmax_t)l.carried_bytes[1], l.conns_count,
	    (uintmax_t)l.lost_bytes);
}

static bool
obey(const char *line)
{
	uintmax_t n;
	int at = 0;

	if (sscanf(line, "rate %ju", &n) == 1) {
		l.rate_bytes = n;
		l.free_ns[0] = l.free_ns[1] = 0;
	} else if (sscanf(line, "delay %ju", &n) == 1) {
		l.delay_ns = n * 1000;
	} else if (strcmp(line, "freeze") == 0) {
		become(FROZEN);
	} else if (strcmp(line, "reset") == 0) {
		become(RESET);
	} else if (strcmp(line, "drop") == 0) {
		reset_all();
	} else if (strcmp(line, "mend") == 0) {
		become(UP);
	} else if (sscanf(line, "at %ju %n", &n, &at) == 1 && at > 0) {
		l.armed = true;
		l.at_bytes = carried() + n;
		snprintf(l.at_line, sizeof(l.at_line), "%s", line + at);
	} else {
		return false;
	}
	return true;
}

static void
client_obey(struct client *k)
{
	char text[LINE_MAX_];
	uintmax_t n;

	if (sscanf(k->line, "wait %ju", &n) == 1) {
		k->waits = true;
		k->until_bytes = carried() + n;
	} else if (strcmp(k->line, "show") == 0) {
		show(text, sizeof(text));
		answer(k, text);
	} else {
		answer(k, obey(k->line) ? "ok\n" : "what?\n");
	}
}

static void
client_hear(struct client *k)
{
	ssize_t n = recv(k->fd, k->line + k->len_bytes,
	    sizeof(k->line) - 1 - k->len_bytes, MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		answer(k, "");
		return;
	}
	k->len_bytes += (size_t)n;
	k->line[k->len_bytes] = '\0';
	end = strchr(k->line, '\n');
	if (end == NULL && k->len_bytes < sizeof(k->line) - 1)
		return;
	if (end != NULL)
		*end = '\0';
	client_obey(k);
}

static void
client_accept(int control)
{
	int fd = accept4(control, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < CLIENTS_MAX; i++) {
		if (l.clients[i].fd >= 0)
			continue;
		l.clients[i] = (struct client){.fd = fd};
		return;
	}
	if (fd >= 0)
		close(fd);
}

/* What was to be done after so many bytes. */
static void
milestones(void)
{
	if (l.armed && carried() >= l.at_bytes) {
		l.armed = false;
		obey(l.at_line);
	}
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *k = &l.clients[i];

		if (k->fd >= 0 && k->waits && carried() >= k->until_bytes)
			answer(k, "ok\n");
	}
}

/* --- the loop ------------------------------------------------------------------ */

static struct pollfd fds[1 + CLIENTS_MAX + WAYS_MAX + 2 * CONNS_MAX];

/* What an end is waited for; *wake is when the clock alone changes that. */
static short
interest(const struct conn *c, int end, int64_t now, int64_t *wake)
{
	const struct flow *out = &c->flow[1 - end];
	short events = 0;

	if (c->opening == end)
		return POLLOUT;
	if (may_take(c, end, now))
		events |= POLLIN;
	else if (c->opening < 0 && !c->flow[end].ended &&
	    l.free_ns[end] > now && l.free_ns[end] < *wake)
		*wake = l.free_ns[end];
	if (c->opening < 0 && out->first != NULL) {
		if (out->first->due_ns <= now)
			events |= POLLOUT;
		else if (out->first->due_ns < *wake)
			*wake = out->first->due_ns;
	}
	return events;
}

static void
wait_for_any(int control, int64_t now)
{
	int64_t wake = INT64_MAX;
	struct timespec t;
	nfds_t n = 0;

	fds[n++] = (struct pollfd){control, POLLIN, 0};
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		fds[n++] = (struct pollfd){l.clients[i].fd, POLLIN, 0};
	for (size_t i = 0; i < l.ways_count; i++)
		fds[n++] =
		    (struct pollfd){l.state == UP && l.conns_count < CONNS_MAX
			    ? l.ways[i].fd
			    : -1,
			POLLIN, 0};
	for (size_t i = 0; l.state == UP && i < l.conns_count; i++) {
		for (int end = 0; end < 2; end++) {
			struct conn *c = &l.conns[i];
			short events = interest(c, end, now, &wake);

			/* Nothing to be done: not even a hang-up is heard. */
			fds[n++] =
			    (struct pollfd){events != 0 ? c->fd[end] : -1,
				events, 0};
		}
	}
	t.tv_sec = wake <= now ? 0 : (wake - now) / NS_PER_S;
	t.tv_nsec = wake <= now ? 0 : (wake - now) % NS_PER_S;
	if (ppoll(fds, n, wake == INT64_MAX ? NULL : &t, NULL) < 0 &&
	    errno != EINTR)
		die("ppoll");
}

/* False when it is over, one way or the other: it is freed then. */
static bool
carry(struct conn *c, int64_t now)
{
	if (c->opening >= 0) {
		struct pollfd p = {c->fd[c->opening], POLLOUT, 0};

		if (poll(&p, 1, 0) <= 0)
			return true;
		if (!opened(c)) {
			conn_reset(c);
			return false;
		}
	}
	for (int from = 0; from < 2; from++) {
		if ((may_take(c, from, now) && !take(c, from, now)) ||
		    !deliver(c, from, now)) {
			conn_reset(c);
			return false;
		}
	}
	if (c->flow[0].shut && c->flow[1].shut) {
		conn_free(c);
		return false;
	}
	return true;
}

/* Everybody's turn to be first comes, so that none has the rate alone. */
static void
carry_all(void)
{
	int64_t now = now_ns();

	l.turn++;
	for (size_t i = 0; i < l.conns_count;) {
		size_t at = (i + l.turn) % l.conns_count;

		if (carry(&l.conns[at], now))
			i++;
	}
}

static void
serve(int control)
{
	for (;;) {
		size_t n = 1;

		wait_for_any(control, now_ns());
		if (fds[0].revents != 0)
			client_accept(control);
		for (size_t i = 0; i < CLIENTS_MAX; i++, n++)
			if (fds[n].fd >= 0 && fds[n].revents != 0)
				client_hear(&l.clients[i]);
		for (size_t i = 0; i < l.ways_count; i++, n++)
			if (l.state == UP && fds[n].fd >= 0 &&
			    fds[n].revents != 0)
				way_accept(&l.ways[i]);
		if (l.state == UP)
			carry_all();
		milestones();
	}
}

/* --- beginning ----------------------------------------------------------------- */

static bool
read_place(struct place *p, char *text)
{
	char *at = strchr(text, '@'), *address = at != NULL ? at + 1 : text;
	char *port = strrchr(address, ':');

	p->ns = -1;
	if (port == NULL)
		return false;
	*port++ = '\0';
	if (at != NULL) {
		*at = '\0';
		p->ns = open(text, O_RDONLY | O_CLOEXEC);
		if (p->ns < 0)
			die(text);
	}
	p->at.sin_family = AF_INET;
	p->at.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	return inet_pton(AF_INET, address, &p->at.sin_addr) == 1;
}

static bool
read_way(struct way *w, char *text)
{
	char *end = strsep(&text, ","), *from = strsep(&text, ",");
	char *to = strsep(&text, ","), *source = strsep(&text, ",");

	w->fd = -1;
	if (to == NULL || (strcmp(end, "0") != 0 && strcmp(end, "1") != 0))
		return false;
	w->end = end[0] - '0';
	return read_place(&w->listen, from) && read_place(&w->target, to) &&
	    (source == NULL || inet_pton(AF_INET, source, &w->source) == 1);
}

static int
control_socket(const char *path, bool ours)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	memcpy(at.sun_path, path, strlen(path) + 1);
	if (ours)
		unlink(path);
	if (fd < 0 ||
	    (ours ? bind : connect)(fd, (const struct sockaddr *)&at,
		sizeof(at)) != 0 ||
	    (ours && listen(fd, CLIENTS_MAX) != 0))
		die(path);
	return fd;
}

static int
tell(const char *path, char *const *words)
{
	int fd = control_socket(path, false);
	char text[LINE_MAX_] = "";
	size_t len = 0;
	ssize_t n;

	for (; *words != NULL && len < sizeof(text); words++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
		    *words, words[1] != NULL ? " " : "\n");
	if (len >= sizeof(text) || write(fd, text, len) != (ssize_t)len)
		die(path);
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0) {
		fprintf(stderr, "relay: %s: no answer\n", path);
		return 1;
	}
	text[n] = '\0';
	if (strcmp(text, "ok\n") != 0)
		fputs(text, stdout);
	return strcmp(text, "what?\n") == 0 ? 2 : 0;
}

/* A block is two descriptors. */
static void
raise_limit(void)
{
	struct rlimit n;

	if (getrlimit(RLIMIT_NOFILE, &n) == 0) {
		n.rlim_cur = n.rlim_max;
		setrlimit(RLIMIT_NOFILE, &n);
	}
}

int
main(int argc, char **argv)
{
	int control;

	if (argc >= 4 && strcmp(argv[1], "-t") == 0)
		return tell(argv[2], argv + 3);
	if (argc < 3 || argc - 2 > WAYS_MAX) {
		fputs("usage: relay [-t] CONTROL WAY...|COMMAND...\n", stderr);
		return 2;
	}
	raise_limit();
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with who began it */
	signal(SIGPIPE, SIG_IGN);
	l.here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		l.clients[i].fd = -1;
	for (int i = 2; i < argc; i++) {
		if (!read_way(&l.ways[l.ways_count], argv[i])) {
			fprintf(stderr, "relay: what is '%s'?\n", argv[i]);
			return 2;
		}
		way_open(&l.ways[l.ways_count++]);
	}
	control = control_socket(argv[1], true);
	serve(control);
}
