/*
 * To the journal, with fields to find alarms by: one datagram of its native
 * protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), which is all of libsystemd we
 * would use.  Where there is no journal it is a line of the daemon's log.
 */

#include "alarm_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

static enum err_code
add_field(struct buf *out, const struct alarmsay_field *f, struct err *e)
{
	size_t len = strlen(f->value);
	uint8_t size[8];
	enum err_code rc = buf_add_text(out, f->name, e);

	if (rc != ERR_NONE)
		return rc;
	if (strchr(f->value, '\n') == NULL)
		return buf_printf(out, e, "=%s\n", f->value);
	le_put64(size, len);
	rc = buf_add_byte(out, '\n', e);
	if (rc == ERR_NONE)
		rc = buf_add(out, size, sizeof(size), e);
	if (rc == ERR_NONE)
		rc = buf_add(out, f->value, len, e);
	return rc == ERR_NONE ? buf_add_byte(out, '\n', e) : rc;
}

enum err_code
alarmsay_compose(struct buf *out, const struct alarmsay_field *fields,
    size_t count, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < count; i++)
		if (fields[i].value != NULL && fields[i].value[0] != '\0')
			rc = add_field(out, &fields[i], e);
	return rc;
}

enum err_code
alarmsay_send(const char *path, const struct buf *message, struct err *e)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	OWNED(fdio_close) int fd = -1;

	if (strlen(path) >= sizeof(at.sun_path))
		return err_set(e, ERR_INPUT, "'%s' is too long for a socket",
		    path);
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, "cannot make a socket");
	if (sendto(fd, message->bytes, message->len_bytes, MSG_NOSIGNAL,
		(const struct sockaddr *)&at, sizeof(at)) < 0)
		return err_sys(e, "cannot write to '%s'", path);
	return ERR_NONE;
}

static void
sentence(const struct alarmbook_alarm *a, enum alarmbook_say say,
    char out[2 * ALARMBOOK_TEXT_BYTES])
{
	char id[ALARM_ID_BYTES];

	snprintf(out, 2 * ALARMBOOK_TEXT_BYTES, "alarm %s %s (%s%s%s%s%s): %s",
	    alarmwire_id(a->number, id),
	    say == ALARMBOOK_CLEARED ? "is over"
				     : alarmbook_level_name(a->level),
	    policy_schema_alert(a->on), a->service[0] != '\0' ? " " : "",
	    a->service, a->subject[0] != '\0' ? " " : "", a->subject, a->text);
}

void
alarmsay(const struct daemon *d, const struct alarmbook_alarm *a,
    enum alarmbook_say say)
{
	OWNED(buf_fini) struct buf message = {0};
	char text[2 * ALARMBOOK_TEXT_BYTES], id[ALARM_ID_BYTES];
	bool is_bad = say == ALARMBOOK_RAISED && a->level > ALARM_NOTICE;
	const struct alarmsay_field fields[] = {{"MESSAGE", text},
	    {"PRIORITY",
		!is_bad                          ? "5"
		    : a->level == ALARM_CRITICAL ? "2"
						 : "4"},
	    {"SYSLOG_IDENTIFIER", "basculed"},
	    {"BASCULE_ALARM", alarmwire_id(a->number, id)},
	    {"BASCULE_ON", policy_schema_alert(a->on)},
	    {"BASCULE_LEVEL", alarmbook_level_name(a->level)},
	    {"BASCULE_STATE", say == ALARMBOOK_CLEARED ? "cleared" : "raised"},
	    {"BASCULE_SITE", d->policy->site}, {"BASCULE_SERVICE", a->service},
	    {"BASCULE_SUBJECT", a->subject}};
	struct err e;

	sentence(a, say, text);
	if (getenv("JOURNAL_STREAM") != NULL &&
	    alarmsay_compose(&message, fields, COUNT_OF(fields), &e) ==
		ERR_NONE &&
	    alarmsay_send(ALARMSAY_SOCKET, &message, &e) == ERR_NONE)
		return;
	note_log(is_bad && a->level == ALARM_CRITICAL ? NOTE_ERROR
		: is_bad                              ? NOTE_WARNING
						      : NOTE_INFO,
	    "%s", text);
}
