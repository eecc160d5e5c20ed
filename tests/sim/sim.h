#ifndef TESTS_SIM_H
#define TESTS_SIM_H

/*
 * Two sites, a link, perhaps a witness, people, and one service: a world in
 * which lib/authority and lib/plan decide and everything else is a model.
 * README.md says what happens and what must hold.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/authority.h>
#include <bascule/plan.h>

#define SITES      2
#define RUNS_MAX   12
#define RECORDS    2000
#define WORDS_MAX  APPROVALS_WORDS_MAX
#define POINTS_MAX 64
#define WRITES_MAX 512
#define STEPS      3
#define SEC        NS_PER_S
#define PATIENCE   (300 * SEC)

/* --- randomness, the story -------------------------------------------------- */

uint64_t rnd(void);
bool one_in(unsigned n);
unsigned below(unsigned n);
void story(const char *fmt, ...) PRINTF_LIKE(1, 2);
void violate(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* --- data: which writes are in it --------------------------------------------- */

struct data {
	uint64_t bits[WRITES_MAX / 64];
};
void data_add(struct data *d, unsigned write);
void data_join(struct data *d, const struct data *more);
bool data_holds(const struct data *d, const struct data *part);

struct point {
	char id[16];
	struct data data;
	bool whole, suspect; /* whole: complete at the other site */
	bool verified, pinned;
	bool gone; /* pruned */
	struct utc at;
};

/* --- records -------------------------------------------------------------------- */

enum record_kind { REC_MOVE, REC_REGISTER, REC_WORD, REC_STEP };

struct record {
	enum record_kind kind;
	int run; /* index; -1 none */
	/* REC_MOVE */
	struct move_event ev;
	char point[16], owner[16];
	/* REC_REGISTER */
	struct authority reg;
	/* REC_WORD; a word of REC_MOVE: whose */
	int account;
	struct approvals_word word;
	/* REC_STEP */
	size_t step;
	enum engine_step_state state;
	unsigned attempt;
};

/* --- runs, people ------------------------------------------------------------------ */

struct run {
	char id[16];
	int from, to, asked; /* sites */
	enum guards_mode mode;
	uint64_t epoch;
	int requester; /* account */
	char seen[16];
	unsigned policy; /* its version when requested */
	int point;       /* at the target; -1: the one a planned move makes */
	bool loss_accepted;
	bool overridden[GUARDS_COUNT + 1];
	bool owner_said; /* commit */
};

struct account {
	int person; /* who it really is */
	struct approvals_person as;
};
extern const struct account accounts[];
extern const int accounts_count;
#define OWNER_ROLE (1u << 16)

/* --- sites ------------------------------------------------------------------------ */

/*
 * What a daemon is about, one of each run and one of its own: lost when it dies.
 * Intent, register, outcome and record come one after another without another
 * run's between them, as in a daemon; only effects go on side by side.
 */
#define JOBS       (RUNS_MAX + 1)
#define JOB_OF_OWN RUNS_MAX
struct job {
	bool on;
	int run; /* -1: what was heard of the register */
	struct move_turn turn;
	char owner[16];
	int stage; /* 0 intent, 1 register, 2 effect, 3 outcome */
	enum move_result result;
	char point[16];
	int64_t begun_ns;      /* when it was decided */
	bool was_well;         /* and the other site answered and was well */
	bool was_intact;       /* the old site's data */
	struct authority peer; /* what ADOPT takes up */
	struct engine *engine; /* of a plan */
	size_t step;
	unsigned attempt;
	int step_stage; /* 0 none, 1 intent, 2 effect, 3 outcome */
	bool step_ok;
};

/* --- etcd: witness.c -------------------------------------------------------------- */

struct etcd_value {
	uint64_t epoch;
	int owner, run; /* run: that wrote it; -1 none */
	enum authority_state state;
};

/* A write under way: it comes about while nothing else was written. */
#define FLIGHTS 16
struct flight {
	bool on, is_slow;
	uint64_t revision;
	struct etcd_value to;
};

/* What a daemon asks of it for a run (daemon/etcdmove.c). */
struct question {
	bool on;
	uint64_t from;
	struct etcd_value to;
	bool was_asked; /* a write may be under way: asked until it is known */
	enum {
		QUESTION_OPEN,
		QUESTION_DONE,
		QUESTION_LOST,
		QUESTION_REFUSED
	} verdict;
	int64_t answered_ns;
};

struct site {
	const char *name;
	/* durable */
	struct record *log;
	size_t count;
	/* the machine */
	bool power, daemon;
	bool enabled; /* the service is meant to run here */
	bool up;      /* its process runs */
	bool fenced;  /* lasts until it is undone */
	bool stopped; /* quiesced: accepts no writes */
	struct data data;
	bool intact;
	struct data kept;                /* captured here, for ever */
	struct point points[POINTS_MAX]; /* that this site's repository holds */
	int points_count;
	unsigned policy;
	int64_t skew_ns;
	bool safely_off;  /* off, or not out of quarantine since */
	bool synced_back; /* holds what the other site sent after a move */
	/* the daemon's, lost with it */
	struct authority reg;
	struct move moves[RUNS_MAX];
	size_t words_count[RUNS_MAX]; /* of shell_heard */
	size_t peer_reg; /* where its newest register stands, and 1 */
	size_t known;    /* of the other's log */
	size_t folded_mine, folded_theirs;
	int64_t answered_ns; /* when the other last answered; 0: never */
	int64_t spoken_ns;   /* the same, not forgotten */
	bool heard;          /* since the start */
	struct hearing hearing;
	struct job jobs[JOBS], *doing; /* doing: whose record is written */
	struct question asking[RUNS_MAX];
	struct etcd_value etcd_seen; /* at the last look */
	int64_t etcd_seen_ns;        /* 0: since the start there was none */
	bool etcd_quorum;
	bool isolated_broken;
};

struct world {
	uint64_t seed;
	int64_t now_ns; /* true time */
	struct site site[SITES];
	bool link, ssh; /* bridge; the fence's way */
	bool etcd, etcd_link[SITES], etcd_quorum;
	struct etcd_value etcd_is;
	uint64_t etcd_revision;
	struct flight flights[FLIGHTS];
	struct run runs[RUNS_MAX];
	int runs_count;
	unsigned writes;
	struct data acked;
	/* what the guards would like to know */
	unsigned policy;
	bool frozen, proved, capacity, isolated;
	int64_t last_end_ns; /* of a run */
	/* One in so many: bad weather, good sense, false words. */
	unsigned storm, sense, honesty;
	bool calm; /* the end: everything works, people are sensible */
	bool lied; /* a false attestation was used */
	bool violated;
	bool telling;
	unsigned removed; /* guard whose call is removed; 0: none */
	unsigned broken;  /* a mistake of the shell; enum mistake */
	char verdict[400];
	enum isolated_state test;
	struct isolated isolated_test;
	unsigned done[40]; /* how often what came about; enum tally */
};
extern struct world w;

enum mistake {
	NO_MISTAKE,
	NO_QUARANTINE,  /* a start knows what stands */
	NO_STEP_DOWN,   /* adopts without fencing, starts what it likes */
	NO_INTENT,      /* an act without an intent */
	RELEASE_BY_ONE, /* one person opens what is held */
	TRUST_EXIT,     /* resumed or fenced is what was said, not seen */
	NO_PIN,         /* retention knows of no moves */
	NO_COMMON,      /* nor of what the next copy goes on from */
	FORGET_SWAP,    /* goes on while nobody knows what etcd did */
	MISTAKES
};

enum tally {
	T_STARTED,
	T_GRANTED,
	T_TAKEN,
	T_COMMITTED,
	T_ABORTED,
	T_ROLLED_BACK,
	T_HELD,
	T_RESOLVED,
	T_REPROTECTED,
	T_CONTESTED,
	T_LIED,
	T_DIVERGENCE,
	T_TESTS,
	T_REFUSED,
	T_UNCERTAIN,
	T_CRASHES,
	T_STEP_DOWNS,
	T_LOST,    /* answers */
	T_OLD,     /* answers that were old when they came */
	T_AGAIN,   /* both ledgers folded from the start once more */
	T_CUTS,    /* of the bridge, the fence's way, etcd's */
	T_CLOCKS,  /* steps */
	T_POWER,   /* failures */
	T_LIES,    /* commands that said what was not so */
	T_STRANGE, /* words of people that a sensible one would not say */
	T_DENIED,  /* of them, refused */
	T_PRUNED,  /* points */
	T_SAVED,   /* points that only I6 kept */
	TALLIES
};

/* world.c */
void world_begin(uint64_t seed, unsigned removed, unsigned broken,
    bool telling);
void world_end(void);
bool site_writable(int s);
struct record *site_append(int s, struct record r);
void site_start(int s); /* the daemon */
void site_die(int s);
void site_boot(int s); /* the machine, with its daemon */
void site_off(int s);
void site_unit(int s); /* the service's unit tries to start */
void site_write(int s);
void site_talk(int s); /* asks the other for its log */
struct utc site_now(int s);
int site_other(int s);
int site_find(const char *name);

/* shell.c */
extern const char *const mistakes[];
void shell_tick(int s);
void shell_fold(int s);
void shell_gather(int s, int run, struct guards_facts *f);
/* With removed guards passing; overrides applied. */
bool shell_guards(int s, int run, enum guards_phase phase, char *why,
    size_t why_bytes);
/* What people said of a run, as that daemon has taken it up. */
extern struct approvals_word shell_heard[SITES][RUNS_MAX][WORDS_MAX];
const char *shell_seen(int run);
/* What its plan restores is at that site. */
bool shell_can_restore(int s, int run);
void shell_facts(int s, int run, struct move_facts *f);
/* What it would do next in that run, or wait for.  False: there is none, or its
 * job is under way. */
bool shell_turn(int s, int run, struct move_turn *turn);

/* witness.c */
void witness_happens(void);
void witness_tick(int s);
bool witness_quorum_lost(int s);
/* As of the last look, unless that is old. */
bool witness_heard(int s, struct etcd_value *out);
/* Asked for that run, and not known yet, or not seen since (etcdmove_is_open). */
bool witness_is_open(int s, int run);
/* A new epoch is etcd's first.  False: not yet, or not at all. */
bool witness_has_it(int s, int run, const struct authority_event *ev);

/* people.c */
void people_act(void);
void people_mend(void); /* the calm: what sensible people do now */

/* judge.c */
void judge_always(void);
void judge_record(int s, const struct record *r);
void judge_end(void);

#endif
