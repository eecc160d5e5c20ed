#include "puppet.h"

#include <check.h>
#include <string.h>

#include "must.h"

static struct {
	bool stands_in, there, refuses;
	struct errand_options opt;
	char line[2048];
	unsigned told;
	int64_t later_ns;
} puppet;

/* What is started is only compared. */
static char body;

enum err_code __real_errand_start(struct errand **out, const struct daemon *d,
    struct wire_value *spec, const struct errand_options *options,
    struct err *e);
enum err_code __wrap_errand_start(struct errand **out, const struct daemon *d,
    struct wire_value *spec, const struct errand_options *options,
    struct err *e);
void __real_errand_free(struct errand **ep);
void __wrap_errand_free(struct errand **ep);
enum err_code __real_errand_say(struct errand *er, struct wire_value *v,
    struct err *e);
enum err_code __wrap_errand_say(struct errand *er, struct wire_value *v,
    struct err *e);
struct mono __real_now_mono(void);
struct mono __wrap_now_mono(void);
struct utc __real_now_utc(void);
struct utc __wrap_now_utc(void);

void
puppet_set_up(void)
{
	memset(&puppet, 0, sizeof(puppet));
	puppet.stands_in = true;
}

void
puppet_take_down(void)
{
	memset(&puppet, 0, sizeof(puppet));
}

bool
puppet_is_there(void)
{
	return puppet.there;
}

unsigned
puppet_told(void)
{
	unsigned told = puppet.told;

	puppet.told = 0;
	return told;
}

const char *
puppet_line(void)
{
	return puppet.line;
}

void
puppet_say(const char *line)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char text[2048];
	size_t len = 0;
	struct err e;

	for (const char *at = line; *at != '\0'; at++) {
		ck_assert_uint_lt(len + 1, sizeof(text));
		text[len++] = *at == '\'' ? '"' : *at;
	}
	must(wire_parse(&v, text, len, &e), &e);
	ck_assert(puppet.there);
	puppet.opt.on_line(puppet.opt.ctx, v);
}

void
puppet_die(int number)
{
	ck_assert(puppet.there);
	puppet.opt.on_end(puppet.opt.ctx, 0, number);
}

void
puppet_refuse(void)
{
	puppet.refuses = true;
}

void
puppet_pass(int64_t ns)
{
	puppet.later_ns += ns;
}

/* --- in the way ------------------------------------------------------------------ */

enum err_code
__wrap_errand_start(struct errand **out, const struct daemon *d,
    struct wire_value *spec, const struct errand_options *options,
    struct err *e)
{
	if (!puppet.stands_in)
		return __real_errand_start(out, d, spec, options, e);
	*out = NULL;
	loop_stop(d->loop);
	if (puppet.refuses) {
		puppet.refuses = false;
		return err_set(e, ERR_IO, "no process can be started");
	}
	puppet.opt = *options;
	puppet.there = true;
	*out = (struct errand *)&body;
	return ERR_NONE;
}

void
__wrap_errand_free(struct errand **ep)
{
	if (*ep != (struct errand *)&body) {
		__real_errand_free(ep);
		return;
	}
	*ep = NULL;
	puppet.there = false;
}

enum err_code
__wrap_errand_say(struct errand *er, struct wire_value *v, struct err *e)
{
	OWNED(buf_fini) struct buf line = {0};
	enum err_code rc;

	if (er != (struct errand *)&body)
		return __real_errand_say(er, v, e);
	rc = wire_line(v, &line, e);
	if (rc != ERR_NONE)
		return rc;
	snprintf(puppet.line, sizeof(puppet.line), "%s", buf_text(&line));
	puppet.told++;
	return ERR_NONE;
}

struct mono
__wrap_now_mono(void)
{
	struct mono now = __real_now_mono();

	now.ns += puppet.later_ns;
	return now;
}

struct utc
__wrap_now_utc(void)
{
	struct utc now = __real_now_utc();

	now.ns += puppet.later_ns;
	return now;
}
