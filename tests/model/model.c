/*
 * model: generated interleavings of everything that works on a repository,
 * against what it must then hold.  README.md says how; usage:
 *
 *	model [-s FIRST] [-n SEEDS] [-t]
 *
 * A seed that fails is run again with fewer and fewer steps; the story of the
 * shortest that fails is told, and -s SEED -n 1 -t tells it again.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/acts.h"
#include "model/world.h"

#define STEPS       28
#define BATCH       200 /* seeds a process */
#define SECONDS_MAX 120 /* a batch's; a hang is a failure */

/* What a child tells its parent, whatever becomes of it. */
struct word {
	uint64_t seed, print;
	unsigned steps;
	char text[1024];
};
static struct word *word;
static struct keyring *operations, *escrow;

static void
give_up(const char *what)
{
	fprintf(stderr, "model: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* --- One seed --------------------------------------------------------------- */

static void
on_fail(const char *text)
{
	snprintf(word->text, sizeof(word->text), "%s", text);
	_exit(1);
}

static const struct acts_role roles[] = {
    {.number = 0, .writes = true, .reads = true},
    {.number = 1, .writes = true, .forgets = true},
    {.number = 2, .writes = true, .holds = true},
    {.number = 3, .forgets = true, .collects = true},
    {.number = 4, .collects = true, .fences = true},
    {.number = 5, .reads = true, .holds = true, .points = true, .heals = true},
    {.number = 6, .sends = true},
};

/* Most stories are short: what is wrong shows in a few acts, if they are right. */
static unsigned
steps_of(unsigned most)
{
	const unsigned wanted =
	    world_one_in(6) ? STEPS : 5 + (unsigned)world_below(13);

	return wanted < most ? wanted : most;
}

static void
run_seed(uint64_t seed, unsigned steps)
{
	static const struct store_geometry small =
	    {.chunk_min_bytes = 4096, /* from there on: differences */
		.chunk_mean_bytes = 4096,
		.chunk_max_bytes = 8192,
		.pack_target_bytes = 64 << 10,
		.frame_target_bytes = 8 << 10};
	static const char path[] = "/r";
	struct err e;

	word->seed = seed;
	word->steps = steps;
	world_begin(seed, path);
	truth_begin();
	acts = (struct acts){.path = path,
	    .keyring = operations,
	    .steps_left = steps_of(steps),
	    .receives = world_one_in(3),
	    .loses = world_one_in(8)};
	far_begin();
	if (store_create(path, keyring_family(operations), &small, &e) !=
	    ERR_NONE)
		world_fail("it cannot be made: %s", e.text);
	if (acts.receives &&
	    store_create(ACTS_FAR, keyring_family(operations), &small, &e) !=
		ERR_NONE)
		world_fail("the other site cannot be made: %s", e.text);
	for (size_t i = 0; i < COUNT_OF(roles); i++)
		world_add(acts_live, (void *)(uintptr_t)&roles[i]);
	world_run();
	acts_judge();
	word->steps = acts.steps;
	word->print ^= world_print();
}

/* --- Many ------------------------------------------------------------------- */

/* In a process of its own.  False: word says what went wrong. */
static bool
run_batch(uint64_t first, uint64_t count, unsigned steps, bool tells)
{
	pid_t pid;
	int status;

	word->text[0] = '\0';
	fflush(stdout);
	if ((pid = fork()) == -1)
		give_up("fork");
	if (pid == 0) {
		alarm(SECONDS_MAX);
		world_tells = tells;
		for (uint64_t i = 0; i < count; i++)
			run_seed(first + i, steps);
		fflush(stdout);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid");
	if (WIFSIGNALED(status) && word->text[0] == '\0')
		snprintf(word->text, sizeof(word->text), "it ends by signal %d",
		    WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The fewest steps that still fail, told. */
static void
tell_shortest(uint64_t seed)
{
	unsigned steps = 1;

	while (steps < STEPS && run_batch(seed, 1, steps, false))
		steps++;
	printf("SEED=%llu, its first %u steps:\n", (unsigned long long)seed,
	    steps);
	if (run_batch(seed, 1, steps, true))
		printf("it does not fail again\n");
}

static int
run_all(uint64_t first, uint64_t count)
{
	for (uint64_t at = 0; at < count; at += BATCH) {
		const uint64_t n = count - at < BATCH ? count - at : BATCH;
		uint64_t seed;

		if (run_batch(first + at, n, STEPS, false))
			continue;
		seed = word->seed;
		printf("not ok: seed %llu: %s\n", (unsigned long long)seed,
		    word->text);
		tell_shortest(seed);
		printf("%llu passed, 1 failed\n",
		    (unsigned long long)(seed - first));
		return 1;
	}
	printf("%llu passed, 0 failed (print %016llx)\n",
	    (unsigned long long)count, (unsigned long long)word->print);
	return 0;
}

int
main(int argc, char **argv)
{
	uint64_t first = 1, count = 1000;
	bool tells = false;
	struct err e;
	int option, status;

	while ((option = getopt(argc, argv, "s:n:t")) != -1)
		switch (option) {
		case 's': first = strtoull(optarg, NULL, 10); break;
		case 'n': count = strtoull(optarg, NULL, 10); break;
		case 't': tells = true; break;
		default:
			fprintf(stderr,
			    "usage: model [-s FIRST] [-n SEEDS] [-t]\n");
			return 2;
		}
	word = mmap(NULL, sizeof(*word), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (word == MAP_FAILED)
		give_up("mmap");
	world_on_fail = on_fail;
	world_begin(0, "/"); /* keys are the same each time */
	if (keyring_new_family(&operations, &escrow, &e) != ERR_NONE) {
		fprintf(stderr, "model: %s\n", e.text);
		return 2;
	}
	if (tells)
		status = !run_batch(first, count, STEPS, true);
	else
		status = run_all(first, count);
	keyring_free(&operations);
	keyring_free(&escrow);
	return status;
}
